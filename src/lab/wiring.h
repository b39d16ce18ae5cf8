// The cables of a cluster: the uplink bridge in the root's network namespace, the nodes' uplinks, the ring.
// Nodes are given by descriptors of their network namespaces.
#pragma once

#include <cstddef>
#include <string>

#include "io/file.h"
#include "lab/layout.h"

namespace mcloud::lab {

// The root's own namespace (the calling thread's): loopback, bridge, 10.250.0.1.
Status wire_root();
// A node's fresh namespace: loopback with its backplane address ("" = none), forwarding, rules that keep routing
// protocols on the ring and backplane addresses off the uplink.
Status wire_node(const io::Fd& node, const std::string& backplane);
// Replaces what is left of an earlier cable.
Status connect_uplink(const io::Fd& node, size_t index);
// The same through a router of its own, whose namespace is mounted at router_netns().
Status connect_hidden_uplink(const io::Fd& node, size_t index);
std::string router_netns(size_t index);  // "/run/netns/router-4"
Status connect_ring(const RingLink& link, const io::Fd& from, const io::Fd& to);
Status disconnect_ring(const io::Fd& from);  // the link to its successor
// Every cable of a node, at once.
Status unplug(const io::Fd& node);
// The root's end of a node's uplink goes, and its router.
Status disconnect_uplink(size_t index);

// Cut: every frame that arrives is dropped in silence, the carrier stays. Idempotent.
enum class Traffic { Flows, Cut };
Status set_traffic(const io::Fd& node, const std::string& interface, Traffic traffic);
// The same at the root's end of a node's uplink.
Status set_uplink_traffic(size_t index, Traffic traffic);

}  // namespace mcloud::lab
