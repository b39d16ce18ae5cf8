// Inside this room only: what is done in the namespace of one network. In those of containers and portals: members.h.
#pragma once

#include <optional>
#include <string>

#include "network/links.h"
#include "network/plan.h"

namespace mcloud::network {

// Namespaces that a network's own one leans on; the calling thread's is the node's.
struct Surroundings {
  std::string mesh_path;  // may be absent
};

// All of a network but its members, in a fresh namespace that nobody else sees yet; the transit link is in the calling
// thread's namespace, the VXLAN socket where the underlay says. After an error nothing is left.
Result<io::Fd> build_network(const NetworkShape& shape, const Surroundings& around);
// The device that carries the network between nodes, again.
Status repair_underlay(const io::Fd& network, const NetworkShape& shape, const Surroundings& around);
// Frees what must be free before the network can be built again: its links.
Status dismantle_network(const io::Fd& network, uint32_t vni);
Result<ActualNetwork> read_network(const io::Fd& network, const Surroundings& around);

Status set_peer(const io::Fd& network, Ipv4 node);
Status remove_peer(const io::Fd& network, Ipv4 node);
Status set_remote(const io::Fd& network, const RemoteMember& remote);
Status remove_remote(const io::Fd& network, Ipv4 address);

}  // namespace mcloud::network
