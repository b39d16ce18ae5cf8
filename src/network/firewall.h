// The nft rules of the node, of the mesh's namespace and of each network's, and the names and addresses they rest on.
// Pure. Those of containers and portals: space_rules.h.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "network/plan.h"

namespace mcloud::network {

struct Rules {
  std::string removal;   // what removes rules that are there
  std::string text;      // after it, in the same transaction
  std::string revision;  // of the text; a chain of this name in table inet mcloud says that it is in force
  Settlement settlement;  // of rules that lead elsewhere; it ends with the revision then, and the text has another
};

inline constexpr const char* kTable = "mcloud";
inline constexpr const char* kSources = "sources";  // set of (node, VNI) in table inet mcloud
inline constexpr const char* kBridge = "br0";       // in a network's namespace
inline constexpr const char* kVxlan = "vx0";
inline constexpr const char* kTransit = "up0";      // there and in a gateway's portal
inline constexpr uint16_t kPlainPort = 4790;        // VXLAN on the backplane
inline constexpr uint16_t kMeshVxlanPort = 4789;    // VXLAN inside WireGuard
// The last /31 of 198.19.0.0/16 is the resolver's (resolver.h).
inline constexpr uint32_t kTransitsMax = (1 << 15) - 1;

// "mcloud-1001": the node's end of a network's transit link.
std::string transit_interface(uint32_t vni);
// "mcloud-p12": the node's end of a portal's.
std::string portal_interface(uint32_t transit);
Ipv4 transit_node_address(uint32_t transit);     // 198.19.x.(even)
Ipv4 transit_network_address(uint32_t transit);  // 198.19.x.(odd)
Ipv6 transit_node_address6(uint32_t transit);    // fd6d:6300:7472::(even), a /127
Ipv6 transit_network_address6(uint32_t transit);
// "m0a2a0007": the bridge port of a member.
std::string port_name(Ipv4 member);

// Who may send VXLAN packets on that underlay (Plain or Mesh). A node of the mesh has two addresses to send from.
std::set<VxlanSource> vxlan_sources(const DesiredNetworks& desired, Underlay underlay);
// The same of one network: added to `out`, which is sorted and made unique afterwards.
void add_sources(const Network& network, std::vector<VxlanSource>& out);
// As elements of the set: "198.18.0.4 . 7, ...".
std::string source_elements(const std::set<VxlanSource>& sources);

// What fills the set in fresh rules of the node (Plain) or the mesh; "" = nobody.
std::string sources_text(const std::set<VxlanSource>& sources);

// Numbers of transit links.
struct Transits {
  std::map<uint32_t, uint32_t> networks;    // by VNI
  std::map<std::string, uint32_t> portals;  // by netns
};

// Publications lead to networks and portals in `transits` only. The set of sources is empty: it changes one by one, so
// the revision does not cover it.
Rules node_rules(const DesiredNetworks& desired, const Transits& transits);
Rules mesh_rules();
Rules network_rules(const Network& network, const std::vector<Publication>& publications);

}  // namespace mcloud::network
