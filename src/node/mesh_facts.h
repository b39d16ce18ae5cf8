// What the ledger says of nodes, in the words of the mesh. Pure.
#pragma once

#include <optional>
#include <set>

#include "mcloud/ledger.pb.h"
#include "network/mesh.h"

namespace mcloud::node {

// Of a node's record only what its peers need: their orders change with nothing else. Keys of these networks; 0 = the mesh.
pb::Node relevant_node(const pb::Node& node, const std::set<uint32_t>& vnis);

// Keys of one network, or of the mesh (vni 0); with those of slot 2, which are the node's and not a network's.
// Invalid: the record is not one.
Result<network::MeshNode> mesh_node(const pb::Node& node, uint32_t vni);

// It has told a key for relays: as one of them, or to meet others there.
bool meets_at_relays(const pb::Node& node);

// Where VXLAN packets for it go; nullopt while it has no key for this network.
std::optional<network::Ipv4> mesh_target(const pb::Node& node, uint32_t vni);

}  // namespace mcloud::node
