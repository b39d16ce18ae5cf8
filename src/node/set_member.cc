#include "node/set_member.h"

#include <algorithm>

#include "wire/canonical.h"

namespace mcloud::node {
namespace {

GroupMember member_of(const pb::SetMember& member) { return {member.index(), member.epoch()}; }

std::string master_of(const SetOrder& order) { return order.primary_host + ":" + std::to_string(order.port); }

pb::SetReport report_of(const GroupStatus& status, bool is_primary) {
  pb::SetReport report;
  report.set_term(status.term);
  report.mutable_rank()->set_term(status.rank_term);
  report.mutable_rank()->set_generation(status.rank_generation);
  report.mutable_rank()->set_position(status.rank_position);
  report.set_complete(status.complete);
  if (!is_primary) return report;
  report.set_voters_revision(status.voters_revision);
  for (const GroupMember& member : status.proposal) {
    pb::SetMember& proposed = *report.add_proposed_voters();
    proposed.set_index(member.index);
    proposed.set_epoch(member.epoch);
  }
  return report;
}

bool differ_beside_rank(pb::SetReport a, pb::SetReport b) {
  a.clear_rank();
  b.clear_rank();
  return wire::encode(a) != wire::encode(b);
}

}  // namespace

SetOrder set_order(const pb::Workload& workload, const pb::ReplicaSet& set, const GroupMember& self) {
  const pb::SetRecord& record = workload.set();
  SetOrder order{.term = record.term(), .voters_revision = record.voters_revision(), .self = self,
                 .copies = set.copies()};
  if (record.has_primary()) order.primary = member_of(record.primary());
  for (const pb::SetMember& voter : record.voters()) order.voters.push_back(member_of(voter));
  for (const pb::Replica& replica : workload.replicas()) {
    if (!replica.node().empty()) order.candidates.push_back({replica.index(), replica.epoch()});
  }
  std::sort(order.voters.begin(), order.voters.end());
  std::sort(order.candidates.begin(), order.candidates.end());
  return order;
}

void SetMember::ordered(const SetOrder& order, uint64_t now_ms) {
  if (order == order_) return;
  order_ = order;
  due_ms_ = now_ms;
  note_report();
}

void SetMember::process_began(uint64_t now_ms) {
  ++process_;
  status_.reset();
  told_.reset();
  failures_ = 0;
  due_ms_ = now_ms;
}

GroupCommand SetMember::next(bool is_fresh) const {
  // It may have promised more than we have read.
  if (!status_ || order_.term == 0 || status_->term > order_.term) return {};
  if (!order_.primary) {
    if (status_->term == order_.term) return {};
    return {.verb = GroupVerb::Promise, .term = order_.term};
  }
  if (order_.is_primary()) {
    // A new version may ask for more copies than there are voters yet.
    uint32_t copies = std::min(order_.copies, static_cast<uint32_t>(order_.voters.size()));
    GroupCommand lead{.verb = GroupVerb::Lead, .term = order_.term, .member = order_.self, .copies = copies,
                      .voters_revision = order_.voters_revision, .voters = order_.voters,
                      .candidates = order_.candidates};
    bool is_leading = status_->role == GroupRole::Master && status_->term == order_.term;
    if (is_leading && told_ == lead) return {};
    return is_fresh || is_leading || order_.voters == order_.candidates ? lead : GroupCommand{};
  }
  bool is_following = status_->role == GroupRole::Follower && status_->term == order_.term &&
                      status_->master == master_of(order_);
  GroupCommand follow{.verb = GroupVerb::Follow, .term = order_.term, .member = order_.self,
                      .host = order_.primary_host, .port = order_.port};
  // Under the name of an earlier epoch it would not be counted.
  if ((is_following && told_ == follow) || order_.primary_host.empty()) return {};
  return follow;
}

bool SetMember::is_settled() const {
  if (!status_ || order_.is_electing() || next(true).verb != GroupVerb::Status) return false;
  // Its proposal is what everybody waits for.
  return !order_.is_primary() || order_.voters == order_.candidates;
}

void SetMember::answered(const GroupCommand& command, const Result<GroupStatus>& answer, uint64_t now_ms) {
  if (!answer.has_value()) {
    failures_ = std::min(failures_ + 1, 8u);
    due_ms_ = now_ms + std::min(kQuickMs << (failures_ - 1), kFailedMaxMs);
    return;
  }
  failures_ = 0;
  bool is_news = status_ != *answer;
  status_ = *answer;
  if (command.verb == GroupVerb::Lead || command.verb == GroupVerb::Follow) told_ = command;
  note_report();
  bool is_next_known = is_news && command.verb == GroupVerb::Status && next(true).verb != GroupVerb::Status;
  due_ms_ = is_next_known ? now_ms : now_ms + (is_settled() ? kSettledMs : kQuickMs);
}

void SetMember::note_report() {
  if (!status_) return;
  pb::SetReport fresh = report_of(*status_, leads());
  bool is_ballot = order_.is_electing() && status_->term == order_.term;
  if (!report_ || is_ballot || differ_beside_rank(*report_, fresh)) report_ = std::move(fresh);
}

bool SetMember::leads() const {
  return status_ && status_->role == GroupRole::Master && order_.is_primary() && status_->term == order_.term;
}

bool SetMember::is_urgent() const {
  return order_.is_electing() || (report_ && !report_->proposed_voters().empty());
}

std::string SetMember::remark() const {
  bool is_partial = status_ && !status_->complete && status_->role == GroupRole::Follower;
  return is_partial ? "its copy is in the making" : "";
}

}  // namespace mcloud::node
