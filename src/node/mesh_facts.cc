#include "node/mesh_facts.h"

#include <algorithm>

namespace mcloud::node {
namespace {

using network::kRelaySlot;

bool is_of(const pb::MeshKey& key, uint32_t vni) { return key.vni() == vni || key.slot() == kRelaySlot; }

}  // namespace

pb::Node relevant_node(const pb::Node& node, const std::set<uint32_t>& vnis) {
  pb::Node relevant;
  relevant.set_key(node.key());
  relevant.set_farm(node.farm());
  relevant.set_number(node.number());
  *relevant.mutable_addresses() = node.addresses();
  relevant.mutable_addresses()->clear_gateway();
  relevant.set_mesh_secret_id(node.mesh_secret_id());
  for (const pb::MeshKey& key : node.mesh_keys()) {
    if (vnis.contains(key.vni()) || key.slot() == kRelaySlot) *relevant.add_mesh_keys() = key;
  }
  return relevant;
}

Result<network::MeshNode> mesh_node(const pb::Node& node, uint32_t vni) {
  network::MeshNode made;
  made.id = TRY(NodeId::from_bytes(node.key()));
  made.number = node.number();
  made.farm = node.farm();
  const pb::NodeAddresses& addresses = node.addresses();
  made.backplane = addresses.backplane();
  made.endpoints.assign(addresses.endpoints().begin(), addresses.endpoints().end());
  if (made.endpoints.empty() && !addresses.uplink().empty()) made.endpoints.push_back(addresses.uplink());
  made.is_hidden = addresses.hidden();
  if (!node.mesh_secret_id().empty()) made.mesh_secret_id = TRY(Hash::from_bytes(node.mesh_secret_id()));
  for (const pb::MeshKey& key : node.mesh_keys()) {
    if (!is_of(key, vni)) continue;
    made.keys.push_back({.slot = key.slot(), .key = TRY(network::WireGuardKey::from_bytes(key.key())),
                         .port = static_cast<uint16_t>(key.port())});
  }
  return made;
}

bool meets_at_relays(const pb::Node& node) {
  return std::any_of(node.mesh_keys().begin(), node.mesh_keys().end(),
                     [](const pb::MeshKey& key) { return key.vni() == 0 && key.slot() == kRelaySlot; });
}

std::optional<network::Ipv4> mesh_target(const pb::Node& node, uint32_t vni) {
  auto peer = mesh_node(node, vni);
  if (!peer.has_value() || peer->number == 0) return std::nullopt;
  std::erase_if(peer->keys, [](const network::MeshKey& key) { return key.slot == kRelaySlot; });
  if (peer->keys.empty()) return std::nullopt;
  return network::vxlan_target(*peer);
}

}  // namespace mcloud::node
