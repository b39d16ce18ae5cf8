#include "bot/follow.h"

#include <algorithm>
#include <map>

namespace mcloud::bot {
namespace {

constexpr uint64_t kLookAgainMs = 1'000;

class Follower {
 public:
  Follower(LedgerView& view, const Clock& clock, const FollowOptions& options, Progress& progress)
      : view_(view), clock_(clock), options_(options), progress_(progress) {}

  Result<ContractStatus> run(const ContractId& id) {
    uint64_t deadline = clock_.monotonic_ms() + options_.timeout_ms;
    for (;;) {
      uint64_t seen = view_.client().head().height;
      std::optional<pb::Contract> record = TRY(view_.find_contract(id));
      if (!record) return make_error(Code::NotFound, "contract " + id.short_hex() + " is not on the ledger");
      ContractStatus status = TRY(contract_status(view_, *record));
      tell(status);
      if (TRY(is_over(status))) return status;
      uint64_t now = clock_.monotonic_ms();
      if (now >= deadline) return too_late(status);
      TRY(view_.client().wait_for_head(std::max(seen, view_.client().head().height),
                                       std::min(kLookAgainMs, deadline - now)));
    }
  }

 private:
  void tell(const ContractStatus& status) {
    for (const ReplicaStatus& replica : status.replicas) {
      std::string now = replica.node + std::string(replica_state_name(replica.state)) + replica.message +
                        std::to_string(replica.version) + "/" + std::to_string(replica.epoch);
      auto [before, is_first] = told_.try_emplace(replica.name());
      // What was ready all along is no news.
      bool news = before->second != now && !(is_first && replica.ready);
      if (news) progress_.replica(replica);
      before->second = now;
    }
    progress_.standing(status);
  }

  Result<bool> is_over(const ContractStatus& status) const {
    const pb::Contract& record = status.record;
    if (record.cancelled_ms() != 0) return make_error(Code::Denied, "contract " + record.name() + " was cancelled");
    bool runs = record.current().version() >= options_.version;
    if (runs) {
      if (status.condition == Condition::Ready) return true;
      bool stuck = std::ranges::any_of(status.replicas, [](const auto& one) { return one.state == pb::REPLICA_STUCK; });
      if (stuck) {
        return make_error(Code::Exhausted, status.why + "; when the cause is gone: mcloud retry " + record.name());
      }
      return false;
    }
    const pb::ContractVersion& proposed = record.proposed();
    if (proposed.version() == options_.version && proposed.state() == pb::CONTRACT_PENDING)
      return !options_.wait_for_approvals;
    return make_error(Code::Denied, "version " + std::to_string(options_.version) + " of " + record.name() + " is " +
                                        std::string(contract_state_name(proposed.state())) +
                                        (proposed.reason().empty() ? "" : ": " + proposed.reason()));
  }

  Error too_late(const ContractStatus& status) const {
    return make_error(Code::TimedOut, status.record.name() + " is not ready after " +
                                          std::to_string(options_.timeout_ms / 1000) + " s: " + status.why +
                                          "; it goes on, see: mcloud status " + status.record.name());
  }

  LedgerView& view_;
  const Clock& clock_;
  const FollowOptions& options_;
  Progress& progress_;
  std::map<std::string, std::string> told_;
};

}  // namespace

Result<ContractStatus> follow(LedgerView& view, const Clock& clock, const ContractId& id, const FollowOptions& options,
                              Progress& progress) {
  return Follower(view, clock, options, progress).run(id);
}

}  // namespace mcloud::bot
