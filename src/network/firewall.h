// The nft rules of the node and of each network's namespace, and the names and addresses they rest on. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "network/plan.h"

namespace mcloud::network {

struct Rules {
  std::string removal;   // what removes rules that are there
  std::string text;      // after it, in the same transaction
  std::string revision;  // of the text; a chain of this name in table inet mcloud says that it is in force
};

inline constexpr const char* kTable = "mcloud";
inline constexpr const char* kBridge = "br0";  // in a network's namespace
inline constexpr const char* kVxlan = "vx0";
inline constexpr const char* kTransit = "up0";
inline constexpr uint32_t kTransitsMax = 1 << 15;

// "mcloud-1001": the node's end of a network's transit link.
std::string transit_interface(uint32_t vni);
Ipv4 transit_node_address(uint32_t transit);     // 198.19.x.(even)
Ipv4 transit_network_address(uint32_t transit);  // 198.19.x.(odd)
// "m0a2a0007": the bridge port of a member.
std::string port_name(Ipv4 member);

// Publications lead to the networks in `transits` (transit number by VNI) only.
Rules node_rules(const DesiredNetworks& desired, const std::map<uint32_t, uint32_t>& transits);
Rules network_rules(const Network& network, const std::vector<Publication>& publications);

}  // namespace mcloud::network
