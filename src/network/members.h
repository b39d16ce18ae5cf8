// Inside this room only: what is done in the namespaces of containers and portals.
#pragma once

#include <string>

#include "network/links.h"
#include "network/plan.h"

namespace mcloud::network {

// Loopback, and what containers expect of a namespace of theirs.
Result<io::Fd> build_container_netns();
// The rules, and whether it passes packets on. Forwarding is on only while rules are in force.
Status set_space_firewall(const io::Fd& space, const SetNetnsFirewall& step);
Status remove_space_firewall(const io::Fd& space);

Status attach_member(const io::Fd& network, const io::Fd& container, const AttachMember& step);
Status detach_member(const io::Fd& network, Ipv4 address);

// A portal's transit link; its other end is in the calling thread's namespace.
Status connect_portal(const io::Fd& portal, const PortalShape& shape);
Status disconnect_portal(uint32_t transit);

Status set_proxied(const io::Fd& portal, const SetProxied& step);
Status remove_proxied(const io::Fd& portal, Ipv4 device);
Result<std::map<Ipv4, bool>> read_proxied(const io::Fd& portal);

}  // namespace mcloud::network
