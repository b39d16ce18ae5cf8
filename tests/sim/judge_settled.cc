// The end of a run: nothing fails any more, so whatever can be placed must be placed and ready. Each node is
// tried in turn for each replica, with rules written down anew and not those of ledger/state/placement.h.
#include <algorithm>

#include "contract/header.h"
#include "ledger/state/records.h"
#include "sim/judge.h"

namespace mcloud::sim {
namespace {

using node::ReplicaKey;

bool has_name(const google::protobuf::RepeatedPtrField<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

// Would the bundle of `leader` fit on the node, next to `neighbours` of the same contract?
bool Judge::could_stand(const pb::Node& node, const pb::ContractHeader& header, const pb::Facets& leader,
                        const std::vector<Placed>& neighbours) {
  if (node.state() != pb::NODE_ONLINE || node.draining()) return false;
  uint64_t memory = leader.demand().memory_bytes() + node.used().memory_bytes();
  uint64_t cpu = leader.demand().cpu_milli() + node.used().cpu_milli();
  for (const std::string& name : leader.with()) {
    const pb::Facets* follower = contract::find_facets(header, name);
    memory += follower->demand().memory_bytes();
    cpu += follower->demand().cpu_milli();
  }
  if (memory > node.capacity().memory_bytes() || cpu > node.capacity().cpu_milli()) return false;
  for (const pb::NodeClaim& claim : node.claims()) {
    bool own = claim.contract() == contract::contract_id(header).view() && claim.workload() == leader.name();
    if (!own && has_name(leader.claims(), claim.name())) return false;
  }
  for (const Placed& other : neighbours) {
    if (other.node != node.key()) continue;
    if (leader.placement().spread() == pb::SPREAD_REQUIRE && other.workload == leader.name()) return false;
    if (has_name(leader.placement().apart(), other.workload)) return false;
    const pb::Facets* facets = contract::find_facets(header, other.workload);
    if (facets != nullptr && has_name(facets->placement().apart(), leader.name())) return false;
  }
  return true;
}

std::vector<Judge::Placed> Judge::placed_of(const ledger::StateReader& state, const ContractId& id) {
  std::vector<Placed> placed;
  state.each(ledger::keys::workloads(id), [&](BytesView key, BytesView value) {
    pb::Workload workload;
    ledger::parse_record(workload, value, key);
    for (const pb::Replica& replica : workload.replicas()) {
      if (!replica.node().empty()) placed.push_back({workload.name(), replica.index(), replica.node()});
    }
    return true;
  });
  return placed;
}

void Judge::settled_replica(const Settled& now, const pb::Facets& facets, const pb::Replica& replica) const {
  std::string what = node::describe({contract::contract_id(now.header), facets.name(), replica.index()});
  if (!replica.node().empty()) {
    const pb::ContractHeader& told = headers_.at({contract::contract_id(now.header), replica.version()});
    bool asked = contract::find_facets(told, facets.name())->has_health();
    bool ready = replica.state() == (asked ? pb::REPLICA_HEALTHY : pb::REPLICA_RUNNING);
    if (!ready)
      fail(what + " is placed but not ready: state " + std::to_string(replica.state()) + " " + replica.message());
    bool explained = replica.version() == now.header.version() || !now.contract.current().reason().empty();
    if (!explained) fail(what + " is not updated and nothing says why");
    return;
  }
  bool follows = std::any_of(now.header.workloads().begin(), now.header.workloads().end(),
                             [&](const pb::Facets& leader) { return has_name(leader.with(), facets.name()); });
  for (const pb::Node& node : now.nodes) {
    if (follows || !could_stand(node, now.header, facets, now.placed)) continue;
    fail(what + " waits, though node " + node.name() + " has room: " + replica.message());
  }
  if (replica.message().empty()) fail(what + " waits and does not say why");
}

void Judge::settled(const ledger::StateReader& state) const {
  std::vector<pb::Node> nodes;
  state.each("node/", [&](BytesView key, BytesView value) {
    ledger::parse_record(nodes.emplace_back(), value, key);
    return true;
  });
  for (const pb::Node& node : nodes) {
    if (node.state() != pb::NODE_ONLINE) fail("node " + node.name() + " has not rejoined");
  }
  state.each("contract/", [&](BytesView key, BytesView value) {
    pb::Contract contract;
    ledger::parse_record(contract, value, key);
    if (contract.current().state() != pb::CONTRACT_ACTIVE) return true;
    ContractId id = ledger::contract_id_of(contract.id());
    const pb::ContractHeader& header = headers_.at({id, contract.current().version()});
    Settled now{contract, header, nodes, placed_of(state, id)};
    for (const pb::Facets& facets : header.workloads()) {
      if (facets.replicas() == 0) continue;
      auto workload = ledger::load<pb::Workload>(state, ledger::keys::workload(id, facets.name()));
      if (!workload || workload->replicas_size() != static_cast<int>(facets.replicas())) {
        fail("contract " + contract.name() + ": " + facets.name() + " has the wrong number of replicas: " +
             contract.current().reason() + " " + (workload ? workload->set().ShortDebugString() : ""));
      }
      for (const pb::Replica& replica : workload->replicas()) settled_replica(now, facets, replica);
    }
    return true;
  });
}

}  // namespace mcloud::sim
