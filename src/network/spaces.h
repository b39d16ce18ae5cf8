// Inside this room only: what is done in the namespace of one network, and how its state is written into
// the aliases of its links, which are set last and so say that what they name is complete.
#pragma once

#include <optional>
#include <string>

#include "network/links.h"
#include "network/plan.h"

namespace mcloud::network {

// "mcloud:CONTRACT:NAME:VNI:RANGE:BACKPLANE:MTU:TRANSIT", the alias of a network's bridge.
std::string shape_alias(const NetworkShape& shape);
std::optional<NetworkShape> shape_from_alias(const std::string& alias);
// "mcloud:NETNS:INTERFACE", the alias of a member's port.
std::string member_alias(const Member& member);
std::optional<Member> member_from_alias(const std::string& alias, Ipv4 address);

// All of a network but its members, in a fresh namespace that nobody else sees yet; the transit link and the VXLAN
// socket are in the calling thread's namespace. After an error nothing is left.
Result<io::Fd> build_network(const NetworkShape& shape);
// Frees what must be free before the network can be built again: its links.
Status dismantle_network(const io::Fd& network, uint32_t vni);
Result<ActualNetwork> read_network(const io::Fd& network);

// A container's namespace: loopback, and what containers expect of theirs.
Result<io::Fd> build_container_netns();

Status attach_member(const io::Fd& network, const io::Fd& container, const AttachMember& step);
Status detach_member(const io::Fd& network, Ipv4 address);
Status set_peer(const io::Fd& network, Ipv4 node);
Status remove_peer(const io::Fd& network, Ipv4 node);
Status set_remote(const io::Fd& network, const RemoteMember& remote);
Status remove_remote(const io::Fd& network, Ipv4 address);

// The revision of the rules in the calling thread's namespace, "" = none of ours.
Result<std::string> firewall_revision();

}  // namespace mcloud::network
