// A store's place among others: who may write here, whom it follows, whose fsync counts. Decides and remembers; the
// shell behind the Port carries it out. Thread-safe: one order at a time. It works on the disk, so not on a loop's
// thread.
#pragma once

#include <atomic>  // every write asks whether it may
#include <mutex>   // one order at a time

#include "kv/replication/acks.h"
#include "kv/replica.h"

namespace mcloud::kv {

class GroupPort {
 public:
  virtual ~GroupPort() = default;
  // Follows this one and no other from now on; nullptr: nobody. When it returns the one before changes nothing any
  // more.
  virtual void follow(const Upstream* upstream, const std::string& member) = 0;
  // All that is streamed from here ends: followers look again at who leads.
  virtual void end_streams() = 0;
  // Writers will be given: these rules are for what they write. Or, leading already, they have changed.
  virtual void lead(const AckRules& rules) = 0;
  virtual void set_rules(const AckRules& rules) = 0;
  // Whoever waits for acknowledgements gets `why`.
  virtual void end_waiting(const Error& why) = 0;
  // Candidates that hold everything, if they are proposed now (acks.h).
  virtual std::optional<Members> propose() = 0;
};

class Group {
 public:
  // All are borrowed. `space`: the namespace that status() speaks of.
  Group(Store& store, Disk& disk, std::string folder, GroupPort& port, std::string space = "default")
      : store_(store), disk_(disk), folder_(std::move(folder)), port_(port), space_(std::move(space)) {}

  // Takes up the role that is remembered. `is_managed`: an agent gives orders, nobody leads before it says so.
  Status open(bool is_managed);

  struct LeadOrder {
    uint64_t term = 0;
    std::string member;
    uint64_t copies = 1;
    uint64_t revision = 0;
    Members voters, candidates;
  };
  // Orders. Denied: the term is over. Where an order is not carried out for another reason, status().reason says why.
  Status promise(uint64_t term);
  Status lead(const LeadOrder& order);
  Status follow(uint64_t term, const std::string& member, const Upstream& upstream);

  // People's orders. Conflict: an agent gives the orders here.
  Status follow(const Upstream& upstream);
  Status follow_nobody();
  Status promote(std::optional<uint64_t> term);  // nullopt: the highest seen + 1
  Status set_copies(uint64_t copies);

  struct State {
    Role role = Role::Nobody;
    bool is_managed = false;
    bool is_deposed = false;
    uint64_t term = 0;  // promised
    uint64_t copies = 1;
    Rank rank;
    bool is_complete = false;
    uint64_t revision = 0;
    Members proposal;  // none: empty
    Upstream upstream;
    std::string reason;
  };
  State status();

  // Lock-free, for every request.
  bool may_write() const { return may_write_.load(std::memory_order_relaxed); }
  // Why not: Denied (deposed), Conflict with "host:port" of the master or nothing.
  Error refusal() const;
  void seen_term(uint64_t term);  // of somebody else

 private:
  Status step_down(const std::string& reason);
  Status promise_locked(uint64_t term);
  Status begin_to_lead(RoleRecord record);
  Status remember(RoleRecord record);
  Status check_people() const;
  AckRules rules_of(const RoleRecord& record) const;
  LogState log_state() const;
  bool is_complete() const;

  Store& store_;
  Disk& disk_;
  const std::string folder_;
  GroupPort& port_;
  const std::string space_;
  std::mutex mutex_;
  RoleRecord record_;
  Members candidates_;
  bool is_managed_ = false;
  std::optional<uint64_t> deposed_from_;
  std::string reason_;
  std::atomic<bool> may_write_{true};
  std::atomic<uint64_t> seen_term_{0};
  mutable std::mutex refusal_mutex_;
  Error refusal_{Code::Conflict, ""};
};

}  // namespace mcloud::kv
