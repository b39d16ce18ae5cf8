// What replication needs of a store beside reading and writing: a log as bytes, and copies of a log made from them.
// docs/design/kv-replication.md says how the two are used.
#pragma once

#include <optional>

#include "kv/index/checkpoint.h"
#include "kv/replication/lineage.h"
#include "kv/store.h"

namespace mcloud::kv {

inline constexpr size_t kLogIdBytes = 20;
// Whoever asks a copy that is not complete gets Unavailable with this.
inline constexpr std::string_view kLoading = "LOADING the copy of the master's log is not complete yet";

// What a log is, at one moment.
struct LogState {
  Bytes id;  // salt and hash key: two logs with different ids have nothing in common
  Position first = 0;
  Totals baseline;        // what the log adds up to at `first`
  Position front_at = 0;  // where the log ended when `first` became it: a copy drops its front when it is there
  Position end = 0;
  Position durable = 0;
  Position complete_at = 0;  // of a copy: it shows nothing before it has reached this; 0: complete
  Lineage lineage;
  Settings settings;
  uint64_t epoch = 0;      // the highest seen
  uint64_t newest_ms = 0;  // time of the newest record since it was opened; 0: none
  Rank rank() const { return rank_of(lineage, durable); }
};

// A stretch of a log: whole records, whole transactions, of one segment and one generation.
struct LogChunk {
  Position position = 0;
  Position segment = 0;     // where its segment begins
  bool is_damaged = false;  // its records are not sound: copied as it is
  Bytes bytes;
  Position end() const { return position + bytes.size(); }
};

// A namespace's log. Thread-safe; what changes it waits for the writer before.
class ReplicaLog {
 public:
  virtual ~ReplicaLog() = default;
  virtual LogState log_state() const = 0;
  virtual bool is_complete() const = 0;
  // Rises whenever something of log_state() but its positions has changed.
  virtual uint64_t changes() const = 0;
  // Takes up to about `bytes_max` (more when one transaction has more); empty: nothing is written there yet. NotFound:
  // `from` is dropped already.
  virtual Result<LogChunk> read_log(Position from, size_t bytes_max) const = 0;

  // --- the follower's half. Conflict: this store leads, or it does not fit what is there.
  // What the log that is copied says of itself: entries that reach no further than our end are taken over, durably.
  virtual Status take_lineage(const Lineage& lineage) = 0;
  // Of a copy that is not complete: another master's log may be shorter. It is complete when it has reached this.
  virtual Status aim_at(Position complete_at) = 0;
  // At the end. Everything is checked first (Corrupt), and before a record that claims that the log was durable up to
  // somewhere is written, this log is.
  virtual Status append_log(const LogChunk& chunk, const Lineage& lineage) = 0;
  virtual Status drop_front(Position first, const Totals& baseline) = 0;
  virtual Status copy_settings(const Settings& settings, uint64_t epoch) = 0;
  // Everything received so far; where the durable log ends.
  virtual Result<Position> make_durable() = 0;
};

// A copy to be made of another store's namespace.
struct LogCopy {
  std::string name;
  Bytes id;
  Position first = 0;
  Totals baseline;
  Lineage lineage;
  Position complete_at = 0;
  Settings settings;
  uint64_t epoch = 0;
};

struct Aside {
  uint64_t files = 0;
  uint64_t bytes = 0;
};

class ReplicaStore {
 public:
  virtual ~ReplicaStore() = default;
  // The highest term that was promised: no master of a lower one is obeyed, and none is led here.
  virtual uint64_t promised_term() const = 0;
  // Durable when it returns. Leading ends first when the term is higher. Denied: it is lower.
  virtual Status promise(uint64_t term) = 0;
  // Writers are given from now on, under the promised term. A store leads when it is opened, unless FOLDER/role says
  // that it is a follower, nobody, or managed.
  virtual void lead() = 0;
  // No writer lives when it returns, and none is given.
  virtual void stop_leading() = 0;
  virtual bool leads() const = 0;

  // An empty copy in place of what has this name. `keep_from`: from there on what is there is kept aside first.
  virtual Result<NamespacePtr> make_copy(const LogCopy& copy, std::optional<Position> keep_from) = 0;
  // Ends the log at `end`; what is behind is kept aside.
  virtual Result<NamespacePtr> cut(std::string_view name, Position end) = 0;
  // As remove(), kept aside.
  virtual Status put_aside(std::string_view name) = 0;
  virtual Aside aside() const = 0;  // what has been kept aside, in FOLDER/aside
};

}  // namespace mcloud::kv
