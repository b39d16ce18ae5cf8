// From verified entries of the ledger to what this node has to run. Pure.
//
// A contract with anything wrong is refused with a reason and left as it is; the others go on.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "mcloud/contract.pb.h"
#include "mcloud/ledger.pb.h"
#include "mcloud/node.pb.h"
#include "node/evidence.h"
#include "node/plan.h"
#include "node/set_member.h"

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
  std::map<ContractId, Error> refused;   // read, but not believed; or not readable yet
  std::map<NodeId, pb::Node> nodes;      // where the other replicas stand
};

// Everything needed to run one replica of a container; nothing is looked up later.
struct ContainerTask {
  ReplicaKey replica;
  std::shared_ptr<const VerifiedContract> contract;
  const pb::ContainerBody* container = nullptr;  // inside *contract, or *built_in
  const pb::Facets* facets = nullptr;            // inside *contract
  std::shared_ptr<const pb::ContainerBody> built_in;  // of a kind that runs our own program (node/kv_task.h)
  uint64_t epoch = 0;
  uint64_t version = 0;
  Hash spec;
  std::vector<pb::LeasedAddress> addresses;
  std::map<std::string, ReplicaKey> volumes;  // mount path -> volume
  std::string hosts_file;                     // /etc/hosts at this moment
  Bytes secret_key;
  uint32_t base_uid = 0;                      // of the contract's range here; given by the agent, no part of the spec

  std::string container_id() const;  // the runtime's id and the name of its network namespace
};

struct VolumeTask {
  ReplicaKey replica;
  uint64_t size_bytes = 0;
};

// What a contract publishes here, before it is known which replicas are ready.
struct Publication {
  pb::LocalPublication publication;       // without targets
  std::string workload;                   // the target
  std::map<uint32_t, pb::LocalTarget> targets;  // of local replicas, by index
};

struct Assigned {
  uint64_t epoch = 0;
  uint64_t version = 0;
};

struct Orders {
  Desired desired;  // without networks: those follow from readiness, see contract_networks()
  std::map<ReplicaKey, ContainerTask> containers;
  std::map<ReplicaKey, VolumeTask> volumes;
  std::map<ReplicaKey, SetOrder> sets;  // of the containers that are members of a replica set
  std::map<ContractId, pb::LocalNetworks> networks;  // without publications
  std::map<ContractId, std::vector<Publication>> publications;
  // Why each of desired.unverified is there. Unavailable, Conflict: may heal by itself, with the next block or the
  // next answer; anything else: it will never run here.
  std::map<ReplicaKey, Error> refusals;
  std::map<ReplicaKey, Assigned> assigned;  // everything, refused or not
  uint64_t fence_after_ms = 5000;
  uint64_t node_epoch = 0;
  bool fenced = false;
  bool is_remembered = false;  // from before a restart, not from the ledger: nothing new is started on it
};

Orders build_orders(const LedgerView& view);

// The networks of one contract with publications that lead to those of its local replicas that serve.
pb::LocalNetworks contract_networks(const Orders& orders, const ContractId& contract,
                                    const std::set<ReplicaKey>& serving);

// Of networks as they are set: is this container a target of a publication?
bool is_published(const pb::LocalNetworks& networks, std::string_view container_id);
// A container that is about to leave keeps its place in the networks, so that what it still answers arrives.
void keep_member(const pb::LocalNetworks& from, std::string_view container_id, pb::LocalNetworks& to);

// "0123456789abcdef-web-0": valid as container id and as name of a network namespace.
std::string container_id(const ReplicaKey& replica);

}  // namespace mcloud::node
