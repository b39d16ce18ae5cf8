// A member of a replica set as docs/design/kv-replication.md says it must be: what it keeps on its disk, and the process
// that leads or follows. It answers the commands of node/group.h; what it writes are numbers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "node/group.h"

namespace mcloud::sim {

struct Entry {
  uint64_t term = 0;
  uint64_t generation = 0;
  uint64_t value = 0;
  bool operator==(const Entry&) const = default;
};
using Log = std::vector<Entry>;

// Survives the process, and the machine up to `durable`.
struct Disk {
  uint64_t promised = 0;
  uint64_t generation = 0;  // the last one begun in the promised term
  Log log;
  size_t durable = 0;
  bool is_complete = true;

  void promise(uint64_t term);
  // The machine dies: of what was not synced, `kept` entries are there all the same.
  void lose_power(size_t kept);
};

// A follower's question, and what its master sends.
struct Pull {
  uint64_t term = 0;
  uint64_t generation = 0;  // of the stream that made its log what it is; 0: none yet
  node::GroupMember member;
  size_t durable = 0;
};
struct Push {
  uint64_t term = 0;
  uint64_t generation = 0;
  std::shared_ptr<const Log> log;
};

// One process. Not durable: made anew it is nobody.
class Copy {
 public:
  struct Hooks {
    std::function<void(uint64_t value, uint32_t copies, uint64_t term)> acknowledged;
    std::function<void(uint64_t term, const Log& log)> leads;
  };
  Copy(Disk& disk, Hooks hooks);

  node::GroupStatus execute(const node::GroupCommand& command);
  bool is_master() const { return role_ == node::GroupRole::Master; }
  void write(uint64_t value);
  // All up to here is synced, if nothing was cut off since.
  void synced(size_t position, uint64_t cuts);
  size_t position() const { return disk_.log.size(); }
  uint64_t cuts() const { return cuts_; }

  // Nothing: it follows nobody. `host`: whom.
  std::optional<Pull> pull(std::string& host) const;
  // Nothing: it does not lead this member in this term.
  std::optional<Push> serve(const Pull& pull);
  void take(const Push& push);

 private:
  using Members = std::vector<node::GroupMember>;
  void lead(const node::GroupCommand& command);
  void propose();
  void acknowledge();
  size_t durable_of(const node::GroupMember& member) const;
  bool is_held(size_t position, const Members& members) const;
  node::GroupStatus status(const std::string& reason) const;

  Disk& disk_;
  const Hooks hooks_;
  node::GroupRole role_ = node::GroupRole::Nobody;
  uint64_t term_ = 0;
  node::GroupMember self_;
  // As master.
  uint32_t copies_ = 1;
  uint64_t revision_ = 0;
  Members voters_, candidates_, proposal_;
  std::vector<Members> proposals_;  // since the revision in force
  std::map<node::GroupMember, size_t> followers_;
  size_t acknowledged_ = 0;
  // As follower.
  std::string host_;
  uint64_t stream_ = 0;          // generation of the master's that our log is a prefix of
  size_t complete_at_ = 0;
  uint64_t cuts_ = 0;
};

}  // namespace mcloud::sim
