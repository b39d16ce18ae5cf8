// From verified entries of the ledger to what this node has to run. Pure.
//
// A contract with anything wrong is refused with a reason and left as it is; the others go on.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mcloud/gateway.pb.h"
#include "mcloud/node.pb.h"
#include "node/contract_facts.h"
#include "node/network_orders.h"
#include "node/set_member.h"

namespace mcloud::node {

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
  std::string hosts_file;                     // /etc/hosts
  std::string resolv_conf;                    // /etc/resolv.conf; "" = the node's own
  Bytes secret_key;
  uint32_t base_uid = 0;                      // of the contract's range here; given by the agent, no part of the spec

  std::string container_id() const;  // the runtime's id and the name of its network namespace
};

struct VolumeTask {
  ReplicaKey replica;
  uint64_t size_bytes = 0;
};

// A replica without a process: a namespace of the node in each of its networks, and what leads through it.
struct PortalTask {
  uint64_t epoch = 0;
  uint64_t version = 0;
  bool is_site = false;            // a publication at this gateway; else an access point for people's devices
  std::vector<std::string> netns;  // one in each of its networks
};

// A replica on another node, as the ledger's record has it.
struct Elsewhere {
  NodeId node;
  bool is_ready = false;  // runs, and is healthy if it says how to tell
  bool leads = true;      // of a replica set: requests go to its primary only
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
  std::map<ReplicaKey, PortalTask> portals;
  std::map<ReplicaKey, Elsewhere> elsewhere;  // of contracts that are here
  std::vector<NamesOrder> names;
  std::map<NodeId, Reach> reach;              // where nodes of `elsewhere` are asked whether they are there
  std::set<std::pair<ContractId, std::string>> behind_gateways;  // workloads that gateways lead to
  pb::LocalMesh mesh;                         // without self: no network here is encrypted, and nobody meets here
  pb::LocalGateway gateway;                   // without sites: none is wanted. For both see site_orders.h
  pb::LocalTunnel tunnel;                     // without gateways: none is wanted
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

}  // namespace mcloud::node
