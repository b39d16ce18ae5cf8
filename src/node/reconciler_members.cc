// Replica sets: what their members here are asked and told, and what is told of them.
#include <algorithm>

#include "node/reconciler.h"

namespace mcloud::node {

void Reconciler::refresh_members(uint64_t now_ms) {
  if (!orders_) return;
  std::erase_if(members_, [&](const auto& entry) { return !orders_->sets.contains(entry.first); });
  for (const auto& [replica, order] : orders_->sets) {
    auto [member, is_new] = members_.try_emplace(replica, order);
    if (!is_new) member->second.ordered(order, now_ms);
  }
}

void Reconciler::member_process_began(const ReplicaKey& replica, uint64_t now_ms) {
  auto member = members_.find(replica);
  if (member != members_.end()) member->second.process_began(now_ms);
}

// Also of an older version: it holds the same data and serves until its successor can be started.
void Reconciler::add_asks(uint64_t now_ms, std::vector<Job>& jobs) {
  for (const auto& [replica, member] : members_) {
    const Tracked* running = member.due_ms() <= now_ms ? running_container(replica) : nullptr;
    if (running == nullptr || is_stopping(running->actual.id)) continue;
    begin({.kind = JobKind::AskMember,
           .replica = replica,
           .container = running->actual.id,
           .group = member.next(is_fresh(now_ms)),
           .process = member.process()},
          now_ms, jobs);
  }
}

void Reconciler::ask_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms) {
  auto member = members_.find(job.replica);
  if (member == members_.end() || member->second.process() != job.process) return;
  Result<GroupStatus> answer = outcome.status.has_value() ? Result<GroupStatus>(outcome.group) : outcome.status.error();
  member->second.answered(job.group, answer, now_ms);
}

// Of a set only the member that leads it gets requests.
bool Reconciler::may_serve_set(const ReplicaKey& replica) const {
  auto member = members_.find(replica);
  return member == members_.end() || member->second.leads();
}

void Reconciler::tell_set(const ReplicaKey& replica, Report& report) const {
  auto member = members_.find(replica);
  if (member == members_.end()) return;
  if (member->second.report()) *report.result.mutable_set() = *member->second.report();
  bool is_good = report.result.state() == pb::REPLICA_RUNNING || report.result.state() == pb::REPLICA_HEALTHY;
  if (is_good && report.result.message().empty()) report.result.set_message(member->second.remark());
  report.is_urgent = report.is_urgent || member->second.is_urgent();
}

uint64_t Reconciler::next_ask_ms() const {
  uint64_t next = UINT64_MAX;
  for (const auto& [replica, member] : members_) {
    if (running_container(replica) != nullptr) next = std::min(next, member.due_ms());
  }
  return next;
}

}  // namespace mcloud::node
