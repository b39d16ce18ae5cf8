#include <algorithm>
#include <map>

#include "contract/header.h"
#include "ledger/state/agenda.h"
#include "ledger/state/call.h"
#include "ledger/state/dossier.h"
#include "ledger/state/logic.h"
#include "ledger/state/planted.h"
#include "ledger/state/records.h"
#include "ledger/state/replica_set.h"

namespace mcloud::ledger {
namespace {

constexpr int kResultsMax = 1000;
constexpr size_t kMessageBytesMax = 200;
constexpr uint64_t kExclusionMsMax = 86'400'000;
// One batch a second is what a node may send. Blocks may take them late and close together: over time one
// per 0.9 s is taken, and up to 3 s ahead of that, so that an honest node is never refused.
constexpr uint64_t kBatchEveryMs = 900;
constexpr uint64_t kBatchAheadMs = 3000;
// What ran for so long did run: failures before it count no more.
constexpr uint64_t kRanWellMs = 60'000;

bool may_be_reported(pb::ReplicaState state) {
  switch (state) {
    case pb::REPLICA_PREPARING:
    case pb::REPLICA_RUNNING:
    case pb::REPLICA_HEALTHY:
    case pb::REPLICA_UNHEALTHY:
    case pb::REPLICA_RESTARTING:
    case pb::REPLICA_COMPLETED:
    case pb::REPLICA_CANNOT_RUN:
    case pb::REPLICA_STOPPED: return true;
    default: return false;
  }
}

class ResultTaker {
 public:
  ResultTaker(const Call& call, const pb::Node& node, StateWriter& state)
      : call_(call), node_(node), state_(state), parameters_(load_parameters(state)) {}

  Status take(const pb::Result& result) {
    if (!may_be_reported(result.state())) return make_error(Code::Invalid, "this state is not a node's to report");
    if (result.message().size() > kMessageBytesMax) return make_error(Code::Invalid, "message: at most 200 bytes");
    ContractId id = TRY(ContractId::from_bytes(result.contract()));
    if (result.workload().empty()) return take_end(id, result);
    pb::Workload* workload = find(id, result.workload());
    if (workload == nullptr || result.index() >= static_cast<uint32_t>(workload->replicas_size())) {
      return make_error(Code::NotFound, "there is no such replica");
    }
    pb::Replica& replica = *workload->mutable_replicas(static_cast<int>(result.index()));
    TRY(check_holder(result, replica));
    if (result.has_set()) TRY(take_set(id, result, *workload, replica));
    const pb::ReplicaState before = replica.state();
    apply(result, replica);
    agenda::mark_dirty(state_, id);  // leaves a mark that says more as it is
    if (flips(id, result.workload(), replica, before)) agenda::mark_flipped(state_, id);
    return {};
  }

  void write() {
    for (const auto& [key, workload] : workloads_) {
      if (workload) store(state_, key, *workload);
    }
  }

 private:
  // A batch often names many replicas of one workload: each record is read once.
  pb::Workload* find(const ContractId& id, const std::string& name) {
    Bytes key = keys::workload(id, name);
    auto found = workloads_.find(key);
    if (found == workloads_.end()) found = workloads_.emplace(key, load<pb::Workload>(state_, key)).first;
    return found->second ? &*found->second : nullptr;
  }

  // Of the version that a replica runs.
  const pb::Facets* find_facets(const ContractId& id, const std::string& workload, uint64_t version) {
    auto found = headers_.find({id, version});
    if (found == headers_.end()) {
      pb::Contract contract = *load<pb::Contract>(state_, keys::contract(id));
      bool is_current = contract.current().version() == version;
      std::optional<Bytes> bytes = is_current ? contract.current().header() : state_.get(keys::header(id, version));
      found = headers_.emplace(std::pair(id, version), bytes ? parse_header(*bytes) : pb::ContractHeader()).first;
    }
    return contract::find_facets(found->second, workload);
  }

  // Did it begin or cease to answer? Most results change nothing of that and cost no look at the header.
  bool flips(const ContractId& id, const std::string& workload, const pb::Replica& replica, pb::ReplicaState before) {
    if (call_.logic_version < kLogicNetworks || before == replica.state()) return false;
    auto may_serve = [](pb::ReplicaState state) { return state == pb::REPLICA_RUNNING || state == pb::REPLICA_HEALTHY; };
    if (!may_serve(before) && !may_serve(replica.state())) return false;
    const pb::Facets* facets = find_facets(id, workload, replica.version());
    return facets != nullptr && serves(before, *facets) != serves(replica.state(), *facets);
  }

  // "Nothing of this contract is left here": the erasure that was asked for is done.
  Status take_end(const ContractId& id, const pb::Result& result) {
    if (result.state() != pb::REPLICA_STOPPED) {
      return make_error(Code::Invalid, "a result without workload says STOPPED: nothing of the contract is left");
    }
    Bytes key = keys::assignment(call_.sender);
    pb::Assignment assignment = *load<pb::Assignment>(state_, key);
    auto& contracts = *assignment.mutable_contracts();
    auto at = std::find_if(contracts.begin(), contracts.end(),
                           [&](const pb::AssignedContract& entry) { return entry.contract() == id.view(); });
    if (at == contracts.end() || !at->replicas().empty()) {
      return make_error(Code::NotFound, "nothing of this contract is to be erased here");
    }
    contracts.erase(at);
    store(state_, key, assignment);
    state_.erase(keys::kept(id, call_.sender));
    return {};
  }

  Status take_set(const ContractId& id, const pb::Result& result, pb::Workload& workload, const pb::Replica& replica) {
    uint32_t copies = 0;
    if (!result.set().proposed_voters().empty()) {
      const pb::Facets* facets = find_facets(id, workload.name(), replica.version());
      if (facets != nullptr) copies = facets->set().copies();
    }
    if (TRY(take_set_report(workload, replica, result.set(), copies, call_.time_ms))) agenda::mark_revised(state_, id);
    return {};
  }

  Status check_holder(const pb::Result& result, const pb::Replica& replica) const {
    if (planted::kAnyResult) return {};
    if (replica.node() != call_.sender.view()) return make_error(Code::Denied, "another node holds this replica");
    if (replica.epoch() != result.epoch()) {
      return make_error(Code::Denied, "the replica has epoch " + std::to_string(replica.epoch()) + ", not " +
                                          std::to_string(result.epoch()));
    }
    if (replica.version() != result.version()) {
      return make_error(Code::Conflict, "the replica is to run version " + std::to_string(replica.version()) +
                                            ", not " + std::to_string(result.version()));
    }
    if (replica.state() != pb::REPLICA_STUCK && replica.state() != pb::REPLICA_CANNOT_RUN) return {};
    return make_error(Code::Conflict, "the node gave this epoch up already");
  }

  void apply(const pb::Result& result, pb::Replica& replica) {
    bool ran = replica.state() == pb::REPLICA_RUNNING || replica.state() == pb::REPLICA_HEALTHY;
    if (ran && replica.since_ms() + kRanWellMs <= call_.time_ms) forgive(replica);
    if (replica.state() != result.state()) replica.set_since_ms(call_.time_ms);
    replica.set_state(result.state());
    replica.set_message(result.message());
    replica.set_restarts(result.restarts());
    if (result.state() == pb::REPLICA_CANNOT_RUN) give_up(result, replica);
    if (result.state() == pb::REPLICA_HEALTHY || result.state() == pb::REPLICA_COMPLETED) forgive(replica);
  }

  void forgive(pb::Replica& replica) const {
    replica.clear_tries();
    auto& exclusions = *replica.mutable_exclusions();
    auto end = std::remove_if(exclusions.begin(), exclusions.end(), [&](const pb::Exclusion& exclusion) {
      return exclusion.until_ms() <= call_.time_ms;
    });
    exclusions.erase(end, exclusions.end());
  }

  // The node is excluded, each time for twice as long; after tries_max of them the replica is stuck.
  void give_up(const pb::Result& result, pb::Replica& replica) {
    auto& exclusions = *replica.mutable_exclusions();
    auto at = std::find_if(exclusions.begin(), exclusions.end(),
                           [&](const pb::Exclusion& exclusion) { return exclusion.node() == node_.key(); });
    pb::Exclusion& exclusion = at != exclusions.end() ? *at : *exclusions.Add();
    exclusion.set_node(node_.key());
    exclusion.set_reason(result.message());
    exclusion.set_times(exclusion.times() + 1);
    uint32_t doublings = std::min(exclusion.times() - 1, 30u);
    exclusion.set_until_ms(call_.time_ms + std::min(parameters_.exclusion_ms() << doublings, kExclusionMsMax));
    replica.set_tries(replica.tries() + 1);
    if (replica.tries() < parameters_.tries_max()) return;
    replica.set_state(pb::REPLICA_STUCK);
    replica.set_message("could not run " + std::to_string(replica.tries()) + " times, last on node " + node_.name() +
                        ": " + result.message());
  }

  const Call& call_;
  const pb::Node& node_;
  StateWriter& state_;
  const pb::Parameters parameters_;
  std::map<Bytes, std::optional<pb::Workload>> workloads_;
  std::map<std::pair<ContractId, uint64_t>, pb::ContractHeader> headers_;  // by version
};

}  // namespace

Status report_results(const Call& call, const pb::ReportResults& action, StateWriter& state, std::string& note) {
  pb::Node node = *load_node(state, call.sender.view());
  if (node.state() != pb::NODE_ONLINE) {
    return make_error(Code::Denied, "node " + node.name() + " is fenced: it rejoins before it reports");
  }
  if (action.results().empty() || action.results_size() > kResultsMax) {
    return make_error(Code::Invalid, "results: there are " + std::to_string(action.results_size()) +
                                         ", allowed: 1 to " + std::to_string(kResultsMax));
  }
  uint64_t due_ms = std::max(call.time_ms, load_number(state, keys::reported(call.sender)).value_or(0));
  if (due_ms > call.time_ms + kBatchAheadMs) {
    return make_error(Code::Exhausted, "results: at most one batch per node and second; wait " +
                                           std::to_string(due_ms - call.time_ms - kBatchAheadMs) + " ms");
  }
  ResultTaker taker(call, node, state);
  int ignored = 0;
  Error first;
  for (const pb::Result& result : action.results()) {
    Status taken = taker.take(result);
    if (taken) continue;
    if (ignored++ == 0) first = taken.error().with_context(result.workload() + "/" + std::to_string(result.index()));
  }
  if (ignored == action.results_size()) return first;
  taker.write();
  store_number(state, keys::reported(call.sender), due_ms + kBatchEveryMs);
  if (ignored > 0) {
    note = std::to_string(ignored) + " of " + std::to_string(action.results_size()) + " results ignored: " + first.message;
  }
  return {};
}

}  // namespace mcloud::ledger
