#include "node/contract_facts.h"

#include "contract/header.h"

namespace mcloud::node {

const pb::SpaceGrant* ContractFacts::grant_of(std::string_view space) const {
  for (const pb::SpaceGrant& grant : view.record.spaces()) {
    if (grant.name() == space) return &grant;
  }
  return nullptr;
}

const std::string* ContractFacts::lease_of(std::string_view space, std::string_view workload, uint32_t index) const {
  const pb::SpaceGrant* grant = grant_of(space);
  if (grant == nullptr) return nullptr;
  for (const pb::SpaceLease& lease : grant->leases()) {
    if (lease.workload() == workload && lease.index() == index) return &lease.address();
  }
  return nullptr;
}

const VerifiedContract* ContractFacts::newest() const {
  return view.versions.empty() ? nullptr : view.versions.rbegin()->second.get();
}

const VerifiedContract* ContractFacts::version_of(const pb::AssignedReplica& replica) const {
  auto version = view.versions.find(replica.version());
  return version == view.versions.end() ? newest() : version->second.get();
}

const pb::Facets* ContractFacts::facets_of(const pb::AssignedReplica& replica) const {
  const VerifiedContract* contract = version_of(replica);
  return contract == nullptr ? nullptr : contract::find_facets(contract->header(), replica.workload());
}

const pb::WorkloadBody* ContractFacts::body_of(const pb::AssignedReplica& replica) const {
  const VerifiedContract* contract = version_of(replica);
  return contract == nullptr ? nullptr : contract::find_body(contract->body(), replica.workload());
}

const pb::NetworkBody* ContractFacts::network_of(std::string_view space) const {
  const VerifiedContract* contract = newest();
  const pb::WorkloadBody* body = contract == nullptr ? nullptr : contract::find_body(contract->body(), space);
  return body != nullptr && body->has_network() ? &body->network() : nullptr;
}

const pb::Node* ContractFacts::node_of(const NodeId& node) const {
  if (is_here(node)) return &ledger.node;
  auto found = ledger.nodes.find(node);
  return found == ledger.nodes.end() ? nullptr : &found->second;
}

std::vector<const pb::Replica*> ContractFacts::placed(std::string_view workload) const {
  std::vector<const pb::Replica*> placed;
  auto record = view.workloads.find(std::string(workload));
  if (record == view.workloads.end()) return placed;
  for (const pb::Replica& replica : record->second.replicas()) {
    if (!replica.node().empty()) placed.push_back(&replica);
  }
  return placed;
}

std::vector<Leased> ContractFacts::leased(const pb::SpaceGrant& grant) const {
  std::vector<Leased> all;
  for (const pb::SpaceLease& lease : grant.leases()) {
    Leased one{.workload = lease.workload(), .index = lease.index(), .address = lease.address(), .node = {}};
    auto record = view.workloads.find(lease.workload());
    if (record != view.workloads.end()) {
      for (const pb::Replica& replica : record->second.replicas()) {
        if (replica.index() != lease.index() || replica.node().empty()) continue;
        if (auto node = NodeId::from_bytes(replica.node()); node.has_value()) one.node = *node;
      }
    }
    all.push_back(std::move(one));
  }
  return all;
}

bool is_ready(const pb::Replica& replica, const pb::Facets* facets) {
  if (replica.state() == pb::REPLICA_HEALTHY) return true;
  return replica.state() == pb::REPLICA_RUNNING && facets != nullptr && !facets->has_health();
}

std::string container_id(const ReplicaKey& replica) {
  return replica.contract.hex().substr(0, 16) + "-" + replica.workload + "-" + std::to_string(replica.index);
}

}  // namespace mcloud::node
