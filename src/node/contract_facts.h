// One contract as the ledger shows it to this node, with the look-ups that its orders are made of. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mcloud/ledger.pb.h"
#include "node/evidence.h"
#include "node/plan.h"

namespace mcloud::node {

// One assigned contract as far as it could be read.
struct ContractView {
  pb::Contract record;
  std::map<std::string, pb::Workload> workloads;  // of all its workloads that have replicas
  // By version, those that replicas here are to run. A version that is missing leaves its replicas unverified.
  std::map<uint64_t, std::shared_ptr<const VerifiedContract>> versions;
  Bytes secret_key;  // "" = the contract has none
  Bytes keyring;     // that it was in, still sealed
};

struct LedgerView {
  std::string chain_id;
  NodeId node_id;
  pb::Parameters parameters;
  pb::Node node;              // our own record
  pb::Assignment assignment;  // ours; all that we may run
  std::map<ContractId, ContractView> contracts;
  std::map<ContractId, Error> refused;  // read, but not believed; or not readable yet
  std::map<NodeId, pb::Node> nodes;     // where the other replicas stand, and the relays
  pb::Relays relays;                    // nodes where hidden ones meet
  std::vector<NodeId> guests;           // on a relay: hidden nodes; they are in `nodes`
};

// A replica with its address in one network.
struct Leased {
  std::string workload;
  uint32_t index = 0;
  std::string address;
  NodeId node;  // none = unplaced
};

// Borrows everything; short-lived.
class ContractFacts {
 public:
  ContractFacts(const LedgerView& ledger, const pb::AssignedContract& assigned, const ContractId& id,
                const ContractView& view)
      : ledger(ledger), assigned(assigned), id(id), view(view) {}

  const LedgerView& ledger;
  const pb::AssignedContract& assigned;
  const ContractId& id;
  const ContractView& view;

  ReplicaKey key_of(const pb::AssignedReplica& replica) const { return {id, replica.workload(), replica.index()}; }
  const pb::SpaceGrant* grant_of(std::string_view space) const;
  const std::string* lease_of(std::string_view space, std::string_view workload, uint32_t index) const;
  // Of the newest version that is known; nullptr: none is.
  const VerifiedContract* newest() const;
  // Of the version that the replica is to run, or, when that is not known, of the newest.
  const VerifiedContract* version_of(const pb::AssignedReplica& replica) const;
  const pb::Facets* facets_of(const pb::AssignedReplica& replica) const;
  const pb::WorkloadBody* body_of(const pb::AssignedReplica& replica) const;
  // The network of this name in the newest body; nullptr: it has none.
  const pb::NetworkBody* network_of(std::string_view space) const;
  // nullptr: not a node that we know.
  const pb::Node* node_of(const NodeId& node) const;
  bool is_here(const NodeId& node) const { return node == ledger.node_id; }
  // All replicas that have an address in the network.
  std::vector<Leased> leased(const pb::SpaceGrant& grant) const;
  // Replicas of one workload that are placed, here or elsewhere.
  std::vector<const pb::Replica*> placed(std::string_view workload) const;
};

// What the ledger has recorded says that requests may go there.
bool is_ready(const pb::Replica& replica, const pb::Facets* facets);

// "0123456789abcdef-web-0": valid as container id and as name of a network namespace.
std::string container_id(const ReplicaKey& replica);

}  // namespace mcloud::node
