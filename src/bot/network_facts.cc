#include "bot/network_facts.h"

#include <algorithm>

#include "bot/status.h"
#include "contract/header.h"

namespace mcloud::bot {
namespace {

template <typename List>
auto find_named(const List& list, std::string_view name) -> decltype(&*list.begin()) {
  auto found = std::find_if(list.begin(), list.end(), [&](const auto& one) { return one.name() == name; });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

Result<NetworkFacts> load_network_facts(LedgerView& view, const pb::Contract& contract) {
  if (contract.current().state() != pb::CONTRACT_ACTIVE) {
    return make_error(Code::Conflict, "contract " + contract.name() + " does not run: it has no networks");
  }
  NetworkFacts facts;
  facts.chain_id = view.chain_id();
  facts.record = contract;
  facts.header = TRY(contract::decode_header(contract.current().header()));
  Hash hash = TRY(Hash::from_bytes(facts.header.body_hash()));
  Bytes bytes = TRY(view.client().get_blob(hash).with_context("the contract's body"));
  facts.body = TRY(contract::decode_body(facts.header, bytes));
  ContractId id = TRY(ContractId::from_bytes(contract.id()));
  facts.workloads = TRY(view.workloads(id));
  facts.nodes = TRY(view.nodes());
  facts.relays = TRY(view.relays());
  for (const pb::Identity& person : TRY(view.identities())) facts.people[person.key()] = person.name();
  return facts;
}

const pb::Node* find_node(const NetworkFacts& facts, BytesView key) {
  auto found = std::ranges::find_if(facts.nodes, [&](const pb::Node& node) { return node.key() == key; });
  return found == facts.nodes.end() ? nullptr : &*found;
}

const pb::SpaceGrant* find_grant(const NetworkFacts& facts, std::string_view network) {
  return find_named(facts.record.spaces(), network);
}

const pb::NetworkBody* find_network(const NetworkFacts& facts, std::string_view network) {
  const pb::WorkloadBody* body = find_named(facts.body.workloads(), network);
  return body == nullptr || !body->has_network() ? nullptr : &body->network();
}

const pb::Replica* find_replica(const NetworkFacts& facts, std::string_view workload, uint32_t index) {
  for (const pb::Workload& one : facts.workloads) {
    if (one.name() == workload && index < static_cast<uint32_t>(one.replicas_size())) {
      return &one.replicas(static_cast<int>(index));
    }
  }
  return nullptr;
}

std::string lease_of(const pb::SpaceGrant& grant, std::string_view workload, uint32_t index) {
  auto found = std::ranges::find_if(grant.leases(), [&](const pb::SpaceLease& lease) {
    return lease.workload() == workload && lease.index() == index;
  });
  return found == grant.leases().end() ? "" : found->address();
}

pb::Encryption carrier_of(const NetworkFacts& facts, std::string_view network) {
  const pb::NetworkBody* body = find_network(facts, network);
  return body == nullptr ? pb::ENCRYPTION_NONE : contract::effective_encryption(*body);
}

bool serves(const NetworkFacts& facts, const pb::Facets& workload, const pb::Replica& replica) {
  const pb::Node* node = find_node(facts, replica.node());
  if (node == nullptr || node->state() != pb::NODE_ONLINE) return false;
  return replica.state() == pb::REPLICA_HEALTHY || (replica.state() == pb::REPLICA_RUNNING && !workload.has_health());
}

std::string state_text(const NetworkFacts& facts, const pb::Facets& workload, const pb::Replica& replica) {
  std::string name = workload.name() + "-" + std::to_string(replica.index());
  std::string said = replica.message().empty() ? "" : ": " + replica.message();
  const pb::Node* node = find_node(facts, replica.node());
  if (node == nullptr) return name + " has no place" + said;
  if (node->state() != pb::NODE_ONLINE) {
    return name + " is on " + node->name() + ", which is " + std::string(node_state_name(*node)) + said;
  }
  bool is_judged = replica.state() == pb::REPLICA_RUNNING && workload.has_health();
  return name + " is " + std::string(replica_state_name(replica.state())) + (is_judged ? ", not yet healthy," : "") +
         " on " + node->name() + said;
}

}  // namespace mcloud::bot
