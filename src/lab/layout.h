// Where everything of a local cluster is: folders, addresses, names of links. Pure.
//
//        10.250.0.1  bridge "uplink" in the cluster's root namespace: ledger and sink listen here
//        /    |    \      \              ("the internet")
//   node 1  node 2  node 3  NAT 4       uplink 10.250.0.(10+i)/24, on lo the backplane address 10.251.0.i/32
//     \___/   \___/           \
//                            node 4     hidden: uplink 192.168.4.2/24 behind a router that masquerades; not on the ring
//
//   Link i leads from node i ("ring-next", 10.251.(100+i).0/31) to its successor ("ring-prev", .1); the last one closes
//   the ring. Two nodes have two links, a single one has none. The backplane has IPv4 only. The uplink has IPv6 too, in
//   a range that is no private one: 2001:db8:250::1/64, node i (10+i, in decimal digits); a hidden one fd00:192:i::2/64.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mcloud::lab {

inline constexpr size_t kNodesMax = 100;
inline constexpr int kRingMtu = 9000;
inline constexpr const char* kUplinkInterface = "uplink";
inline constexpr const char* kRingNext = "ring-next";
inline constexpr const char* kRingPrevious = "ring-prev";
inline constexpr const char* kHubAddress = "10.250.0.1";  // of the cluster's root on the uplink
inline constexpr const char* kHubAddress6 = "2001:db8:250::1";
inline constexpr const char* kUplinkRange = "10.250.0.0/24";
inline constexpr const char* kBackplaneRange = "10.251.0.0/16";
inline constexpr const char* kGatewayDomain = "gw.localhost";  // browsers take names below it for this machine
inline constexpr uint16_t kGatewayHttpPort = 80;
inline constexpr uint16_t kGatewayHttpsPort = 443;
inline constexpr uint16_t kGatewayTunnelPort = 7443;

// `index` counts from 1.
std::string uplink_address(size_t index);  // of a hidden node: its router's
std::string hidden_address(size_t index);  // of a hidden node, behind its router
std::string router_address(size_t index);  // the router's other end
std::string uplink_address6(size_t index);
std::string hidden_address6(size_t index);
std::string router_address6(size_t index);
std::string backplane_address(size_t index);
std::string ring_address(size_t link, bool successor);
uint32_t as_number(size_t index);

// The links of a ring of these nodes, in order; `from` <= kNodesMax is also the link's number.
struct RingLink {
  size_t from = 0;
  size_t to = 0;
};
std::vector<RingLink> ring_of(const std::vector<size_t>& members);

// Folders and files of a cluster.
struct Folders {
  std::string root;
  std::string plan() const { return root + "/lab.json"; }
  std::string context() const { return root + "/cluster.json"; }
  std::string lock() const { return root + "/lock"; }
  std::string control() const { return root + "/control.sock"; }
  std::string logs() const { return root + "/logs"; }
  std::string log_of(const std::string& name) const { return logs() + "/" + name + ".log"; }
  std::string node(const std::string& name) const { return root + "/nodes/" + name; }
  std::string node_config(const std::string& name) const { return node(name) + "/node.json"; }
  std::string bird_config(const std::string& name) const { return node(name) + "/bird.conf"; }
};

// Where bird listens for "configure", inside the node.
inline constexpr const char* kBirdControl = "/run/mcloud-bird.ctl";

}  // namespace mcloud::lab
