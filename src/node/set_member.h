// One replica of a set on this node: what its process is told to be, and what the ledger is told of it.
// Pure: it is told what the ledger says and what the process answered.
//
// Always true:
//   - what a process is told is the ledger's word: no LEAD or FOLLOW of a term but the record's, and at one term only
//     one of the two while the record stays the same;
//   - a process that has promised more than our record says is left alone until we have read more;
//   - a process that does not lead yet is made to lead on fresh orders only, or while its voters are those that are
//     placed: else it might count voters that its own proposal has replaced on the ledger.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mcloud/contract.pb.h"
#include "mcloud/ledger.pb.h"
#include "node/group.h"

namespace mcloud::node {

// What the ledger says of a set, as seen by one of its members.
struct SetOrder {
  uint64_t term = 0;                    // 0: the set has no record yet
  std::optional<GroupMember> primary;   // none: electing
  std::vector<GroupMember> voters;      // sorted
  uint64_t voters_revision = 0;
  std::vector<GroupMember> candidates;  // the replicas that are placed; sorted
  GroupMember self;
  uint32_t copies = 1;
  std::string primary_host;             // IPv4 in the set's network; "" = not known
  uint16_t port = 0;

  bool operator==(const SetOrder&) const = default;
  bool is_primary() const { return primary == self; }
  bool is_electing() const { return term > 0 && !primary; }
};
// `workload` has the record and the replicas; host and port are the caller's to fill in.
SetOrder set_order(const pb::Workload& workload, const pb::ReplicaSet& set, const GroupMember& self);

// Times are milliseconds of one monotonic clock.
class SetMember {
 public:
  static constexpr uint64_t kQuickMs = 150;    // between two questions while something is to come
  static constexpr uint64_t kSettledMs = 1'000;
  static constexpr uint64_t kFailedMaxMs = 2'000;  // questions that fail get rarer up to this

  explicit SetMember(const SetOrder& order) : order_(order) {}

  void ordered(const SetOrder& order, uint64_t now_ms);
  // Another process: what the last one said of itself no longer holds.
  void process_began(uint64_t now_ms);

  // When to ask.
  uint64_t due_ms() const { return due_ms_; }
  // What to ask now. `is_fresh`: the orders are the newest.
  GroupCommand next(bool is_fresh) const;
  void answered(const GroupCommand& command, const Result<GroupStatus>& answer, uint64_t now_ms);
  // Grows with every process: an answer of an earlier one is nobody's.
  uint64_t process() const { return process_; }

  // Leads, by its own word and by the ledger's.
  bool leads() const;
  // For people: why it is not what it should be; "" = it is.
  std::string remark() const;
  // nullopt: nothing is known yet. The rank is that of the last time that anything else changed, but in an election:
  // it moves with every write.
  const std::optional<pb::SetReport>& report() const { return report_; }
  // The set waits for it.
  bool is_urgent() const;

 private:
  bool is_settled() const;
  void note_report();

  SetOrder order_;
  std::optional<GroupStatus> status_;
  std::optional<GroupCommand> told_;  // the last LEAD or FOLLOW that this process took
  std::optional<pb::SetReport> report_;
  uint64_t due_ms_ = 0;
  uint64_t process_ = 0;
  uint32_t failures_ = 0;
};

}  // namespace mcloud::node
