// A contract's publications at gateways as they concern this node: as the gateway of some, as the home of targets of
// others. Pure. docs/design/network.md 3.
#pragma once

#include "mcloud/gateway.pb.h"
#include "mcloud/node.pb.h"
#include "node/contract_facts.h"

namespace mcloud::node {

// Which link of this node leads into a network. Its address is the machine's to choose: until it is known, it stands in
// LocalServer.address and LocalTunnelWay.address as this text.
struct Transit {
  uint32_t vni = 0;
  std::string portal;  // netns; "" = the network's own
  auto operator<=>(const Transit&) const = default;
};
std::string transit_text(const Transit& transit);  // "1001", "1001/0123456789abcdef-site-0"

// The namespace in which a replica without a process stands in its `space`-th network: a portal stands in one only.
std::string portal_netns(const ReplicaKey& replica, size_t space);

// A replica that a publication leads to while it serves.
struct PublishedTarget {
  std::string workload;
  uint32_t index = 0;
  uint32_t weight = 1;  // how often it is led to, beside the others
  pb::LocalTarget local;
};

// What a contract publishes here, before it is known which replicas are ready.
struct Publication {
  pb::LocalPublication publication;      // without targets
  std::vector<PublishedTarget> targets;  // local replicas; with a portal those of any node; sorted by workload, index
};

struct SiteOrders {
  // By network, sorted: ports of its transit address, or of a portal's, that lead to targets.
  std::map<std::string, std::vector<pb::LocalWay>> ways;
  std::vector<pb::LocalSite> sites;            // that this node serves; LocalServer.serves is not known yet
  std::vector<Publication> publications;       // of UDP: the kernel leads it, no process
  std::vector<pb::LocalTunnelPeer> tunnels;    // who brings targets to them; sorted by node
  std::vector<pb::LocalTunnelGateway> gateways;  // that targets here are brought to; sorted by node
  std::set<std::string> targets;               // workloads that gateways lead to, here or elsewhere
  std::map<ReplicaKey, Error> refused;         // replicas of publications that cannot be served here
};

SiteOrders site_orders(const ContractFacts& facts);

// The WireGuard key of an access point, 32 bytes.
Result<Bytes> open_access_key(const ContractFacts& facts, const pb::AssignedReplica& replica, const pb::Access& access);

// "203.0.113.7:7443", "[2001:db8::7]:7443": where tunnels of strangers reach a gateway, in the order of its record.
std::vector<std::string> tunnel_endpoints(const pb::NodeAddresses& addresses);

}  // namespace mcloud::node
