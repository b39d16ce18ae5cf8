// Inside this room only: how the state of links is written into their aliases, which are set last and so say that what
// they name is complete. Every link of ours has one, with its contract. Pure.
#pragma once

#include <optional>
#include <string>

#include "network/plan.h"

namespace mcloud::network {

// "mcloud:CONTRACT": of links that tell nothing else.
std::string owner_alias(const ContractId& contract);
// "mcloud:CONTRACT:NAME:VNI:RANGE:BACKPLANE:MTU:TRANSIT:UNDERLAY:BRIDGE:RANGE6": of a network's bridge. The last in hex.
std::string shape_alias(const NetworkShape& shape);
std::optional<NetworkShape> shape_from_alias(const std::string& alias);
// "mcloud:CONTRACT:NETNS:INTERFACE", and ":portal" for one: of a member's port.
std::string member_alias(const ContractId& contract, const Member& member);
std::optional<Member> member_from_alias(const std::string& alias, Ipv4 address);
// "mcloud:CONTRACT:VNI:NETNS:MEMBER:MTU:IPV6:TRANSIT": of the node's end of a portal's transit link.
std::string portal_alias(const PortalShape& shape);
std::optional<PortalShape> portal_from_alias(const std::string& alias);
// "mcloud:CONTRACT:NUMBER" of the namespace that the device's socket is in: of vx0.
std::string underlay_alias(const ContractId& contract, uint64_t netns_number);

}  // namespace mcloud::network
