// The append-only key-value store: namespaces, each one log on disk with an index of its keys in memory.
//
// A write is appended to the log, then seen; nothing is ever overwritten, so every version stays readable until the
// history policy lets compact() drop it. Durability is a second step: a write is acknowledged when durable_position()
// has passed its end (or at once, if the namespace says so).
//
// Threads: a Store and its namespaces may be used from any thread. Reads never wait for writers' disks. One Writer per
// namespace at a time; keep it for one batch, never across a wait. Callbacks run on the store's own thread: post, do
// not work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/world.h"
#include "kv/times.h"

namespace mcloud::kv {

inline constexpr size_t kKeyBytesMax = 255;
inline constexpr size_t kValueBytesMax = 8 << 20;
inline constexpr size_t kNameBytesMax = 128;

// Byte offset in a namespace's log, counted from its first byte ever; multiple of 8, below 2^48.
using Position = uint64_t;

enum class KeyMode : uint8_t { User, Sequence };  // Sequence: the store makes 8-byte little-endian ids
enum class Durability : uint8_t {
  Always,
  Interval,
  None
};  // what an acknowledgement means: fsynced; within the interval; seen

// How much history compact() keeps.
struct History {
  enum class Keep : uint8_t { Forever, LastVersions, NewerThan };
  Keep keep = Keep::Forever;
  uint64_t amount = 0;  // versions, or milliseconds
};

// Kept durably with the namespace.
struct Settings {
  KeyMode mode = KeyMode::User;
  Durability durability = Durability::Interval;
  uint64_t interval_ms = 1'000;
  History history;
  uint64_t bytes_max = 0;  // of live keys and values; 0: no bound
  std::string password;    // as its owner gave it: 0-db clients prove that they know it by a challenge
  bool is_public = true;
  bool is_write_once = false;  // "worm": no update, no delete
};

// When a version was written and until when it is seen, milliseconds since 1970. nullopt: now; for ever.
struct Timing {
  std::optional<uint64_t> time_ms;
  std::optional<uint64_t> expiry_ms;
};

// One version of one key.
struct Entry {
  std::string key;
  std::string value;
  uint64_t value_size = 0;  // also where the value itself is not there
  Position position = 0;
  std::optional<Position> previous;  // the key's version before it, if there was one
  uint64_t sequence = 0;             // of all writes to the namespace, from 1, no gaps
  uint64_t time_ms = 0;              // wall clock of the writer, or what it said
  uint64_t epoch = 0;                // of the writer
  bool is_deletion = false;
  std::optional<uint64_t> expiry_ms;  // from then on it reads as absent
};

struct Figures {
  uint64_t keys = 0;  // what has expired counts until the sweeper has removed it, here and in the bytes
  uint64_t live_bytes = 0;   // keys and values that GET can answer
  uint64_t log_bytes = 0;    // on disk
  uint64_t index_bytes = 0;  // in memory
  uint64_t next_sequence = 1;
  uint64_t next_id = 0;  // sequence mode
  Position end = 0;  // where the next record goes
  Position durable = 0;
  uint64_t epoch = 0;
  uint64_t expired_keys = 0;     // removed or replaced since it was opened
  uint64_t expiring = 0;         // records that will expire, as far as the sweeper holds them
  uint64_t corrupt_records = 0;  // found and skipped since it was opened
  std::string failure;           // why writes are refused; empty: they are not
  TimesCount syncs;              // how long the disk took to make the log durable
};

class Namespace;
class ReplicaLog;
class ReplicaStore;

// The one who may write, until it is destroyed; then what it wrote is with the kernel (it survives our death).
class Writer {
 public:
  virtual ~Writer() = default;
  // By which keys expire (Namespace::now_ms()); stands still from begin() to commit().
  virtual uint64_t now_ms() const = 0;
  // The newest version, this writer's own writes included. nullopt: none, deleted or expired.
  virtual Result<std::optional<Entry>> find(std::string_view key) = 0;
  // Appends. The end of the record: durable when durable_position() >= it.
  // Invalid (sizes; sequence mode: not the next id), Denied (write-once), Exhausted (quota, disk full), Unavailable (an
  // earlier fsync failed; why is in the message), Unsupported (an expiry where keys do not expire: write-once, sequence
  // mode).
  virtual Result<Position> put(std::string_view key, std::string_view value, const Timing& timing = {}) = 0;
  // NotFound when there is nothing to delete, or it has expired. Denied (write-once).
  virtual Result<Position> remove(std::string_view key, std::optional<uint64_t> time_ms = {}) = 0;
  // Sequence mode: the id of the next new key. Updates and deletions take one too.
  virtual uint64_t next_id() = 0;
  // What is put and removed until commit() survives a crash as a whole or not at all. Bounded: 1 MiB or 10,000 records;
  // more is Exhausted. flush() and destruction before commit() drop it.
  virtual void begin() = 0;
  virtual Status commit() = 0;
  // Hands everything to the kernel now and says if that worked. After an error nothing since the last flush is seen by
  // anybody.
  virtual Status flush() = 0;
};

class Namespace {
 public:
  virtual ~Namespace() = default;
  virtual const std::string& name() const = 0;
  virtual Settings settings() const = 0;
  virtual Status set_settings(
      const Settings& settings) = 0;  // durable when it returns. Conflict: mode of a used namespace

  // By which keys expire: the wall clock, milliseconds since 1970; never goes back, though the machine's may be set.
  virtual uint64_t now_ms() const = 0;
  // As of now: what has expired is absent, whether it has been removed or not.
  virtual Result<std::optional<Entry>> find(std::string_view key) const = 0;
  virtual Result<std::optional<Entry>> find_brief(std::string_view key) const = 0;  // without the value
  virtual bool contains(std::string_view key) const = 0;
  // Appends only the value to `to`, for the hot path; nullopt as find(). Returns its size.
  virtual Result<std::optional<size_t>> read_value(std::string_view key, std::string& to) const = 0;
  // The same before and after some reads: what they found was all true at one moment. nullopt: something becomes visible
  // just now. A single read, and reads one after the other, see a transaction as a whole or not at all.
  virtual std::optional<uint64_t> quiet_moment() const = 0;
  // A hint that these keys are looked up soon: their misses of the processor's caches overlap instead of coming one
  // after the other. Changes nothing, answers nothing.
  virtual void prefetch(std::span<const std::string_view> keys) const = 0;
  // Any version: by its place (NotFound; Corrupt when no record begins there), or a key's newest not later than
  // `sequence` or `time_ms`. A deletion is a version too: look at is_deletion. By time, what had expired then is absent
  // (nullopt); by place and by sequence a version is what was written, whatever time did to it.
  virtual Result<Entry> at(Position position) const = 0;
  virtual Result<std::optional<Entry>> find_version(std::string_view key, uint64_t sequence) const = 0;
  virtual Result<std::optional<Entry>> find_at_time(std::string_view key, uint64_t time_ms) const = 0;
  // Live entries (without values) in the order of the log, from `from` on; at most `count`, and not longer than
  // `time_us`.
  struct Page {
    std::vector<Entry> entries;
    std::optional<Position> next;  // nullopt: no more
  };
  virtual Result<Page> scan(Position from, size_t count, uint64_t time_us) const = 0;
  virtual Result<Page> scan_back(std::optional<Position> before, size_t count, uint64_t time_us) const = 0;

  // Waits for the writer before (short: batches). Denied: `epoch` is lower than the highest seen. Conflict: this store
  // does not lead (kv/replica.h).
  virtual Result<std::unique_ptr<Writer>> writer(uint64_t epoch = 0) = 0;
  // Durably remembers that `epoch` has been seen; lower ones are refused from then on. Denied when it is lower itself.
  virtual Status see_epoch(uint64_t epoch) = 0;

  virtual Position durable_position() const = 0;
  // Calls back once, when `position` is durable or can never be (the error). Group commit: one sync serves all that
  // wait.
  virtual void when_durable(Position position, std::function<void(Status)> then) = 0;

  // Drops what the history policy does not keep; online, throttled, safe to be killed. Progress in 0..1; false from it
  // stops.
  virtual Status compact(const std::function<bool(double)>& progress) = 0;
  // Reads every record and checks it; the places of bad ones.
  struct Fault {
    Position position = 0;
    std::string reason;
  };
  virtual Result<std::vector<Fault>> verify(const std::function<bool(double)>& progress) const = 0;

  virtual Figures figures() const = 0;
  virtual ReplicaLog& replica() = 0;  // its log as replication sees it (kv/replica.h)
};

using NamespacePtr = std::shared_ptr<Namespace>;

class Store {
 public:
  struct Options {
    std::string folder;
    uint64_t segment_bytes = 256ull << 20;
    Settings defaults;  // of new namespaces
    uint64_t compact_bytes_per_s = 32 << 20;
  };
  // Opens every namespace in the folder (in parallel), cuts torn tails, reports corruption inside. Conflict: another
  // process has it open. `default` is made when it is not there.
  static Result<std::unique_ptr<Store>> open(Disk& disk, Clock& clock, const Options& options);
  virtual ~Store() = default;

  virtual Result<NamespacePtr> create(std::string_view name, const Settings& settings) = 0;  // AlreadyExists, Invalid
  virtual NamespacePtr find(std::string_view name) const = 0;                                // nullptr: none
  virtual std::vector<std::string> names() const = 0;                                        // sorted
  // The folder goes; who still holds the pointer gets NotFound from every call. No namespace is used after its store.
  virtual Status remove(std::string_view name) = 0;
  virtual Status clear(std::string_view name) = 0;  // FLUSH: all keys and all history
  // Everything durable, index checkpoints written. Also done by the destructor, as far as possible.
  virtual Status close() = 0;
  virtual const std::string& folder() const = 0;
  virtual ReplicaStore& replica() = 0;  // kv/replica.h
};

}  // namespace mcloud::kv
