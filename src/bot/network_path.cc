#include "bot/network_path.h"

#include <algorithm>

#include "bot/status.h"
#include "network/mesh.h"

namespace mcloud::bot {
namespace {

constexpr uint32_t kRelaySlot = 2;

bool has_key(const pb::Node& node, uint32_t vni) {
  return std::ranges::any_of(node.mesh_keys(), [&](const pb::MeshKey& key) {
    return key.vni() == vni && key.slot() != kRelaySlot;
  });
}

bool share_backplane(const pb::Node& one, const pb::Node& other) {
  return one.farm() == other.farm() && !one.addresses().backplane().empty() && !other.addresses().backplane().empty();
}

// What keeps one of the nodes out of an encrypted network.
std::string lacking(const pb::Node& node, uint32_t vni) {
  if (node.state() != pb::NODE_ONLINE) return "node " + node.name() + " is " + std::string(node_state_name(node));
  if (node.number() == 0 || !has_key(node, vni)) return "node " + node.name() + " has published no WireGuard key yet";
  return "";
}

// As the nodes choose: the one function of the room network.
const pb::Node* relay_for(const NetworkFacts& facts, const pb::Node& one, const pb::Node& other) {
  std::vector<network::MeshNode> relays;
  for (const std::string& key : facts.relays.nodes()) {
    const pb::Node* node = find_node(facts, key);
    auto id = NodeId::from_bytes(key);
    if (node == nullptr || !id.has_value() || node->state() != pb::NODE_ONLINE) continue;
    network::MeshNode relay;
    relay.id = *id;
    relay.number = node->number();
    relay.is_hidden = node->addresses().hidden();
    if (std::string address = public_address(*node); !address.empty()) relay.endpoints.push_back(address);
    for (const pb::MeshKey& key_of : node->mesh_keys()) {
      auto parsed = network::WireGuardKey::from_bytes(key_of.key());
      if (key_of.vni() != 0 || !parsed.has_value()) continue;
      relay.keys.push_back({.slot = key_of.slot(), .key = *parsed, .port = static_cast<uint16_t>(key_of.port())});
    }
    relays.push_back(std::move(relay));
  }
  auto first = NodeId::from_bytes(one.key()), second = NodeId::from_bytes(other.key());
  if (!first.has_value() || !second.has_value()) return nullptr;
  const network::MeshNode* chosen = network::relay_of(*first, *second, relays);
  return chosen == nullptr ? nullptr : find_node(facts, chosen->id.view());
}

bool is_called(const pb::Node& node) { return !node.addresses().hidden() && !public_address(node).empty(); }

void find_way(const NetworkFacts& facts, const pb::Node& from, const pb::Node& to, NodePath& path) {
  if (share_backplane(from, to)) {
    path.way = Way::Backplane;
    path.text = "backplane " + from.addresses().backplane() + " to " + to.addresses().backplane();
  } else if (is_called(to)) {
    path.way = Way::Endpoint;
    path.text = from.name() + " calls " + to.name() + " at " + public_address(to);
  } else if (is_called(from)) {
    path.way = Way::Called;
    path.text = to.name() + " takes no calls, so it calls " + from.name() + " at " + public_address(from) +
                " and keeps that open";
  } else if (const pb::Node* relay = relay_for(facts, from, to)) {
    path.way = Way::Relay;
    path.relay = relay->name();
    path.text = "neither takes calls: both call relay " + relay->name() + " at " + public_address(*relay);
  } else {
    path.problem = from.name() + " and " + to.name() + " take no calls (hidden), and no relay is online";
  }
}

}  // namespace

std::string public_address(const pb::Node& node) {
  const pb::NodeAddresses& addresses = node.addresses();
  return addresses.endpoints().empty() ? addresses.uplink() : addresses.endpoints(0);
}

std::string with_port(const std::string& address, uint32_t port) {
  bool is_ipv6 = address.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

NodePath path_between(const NetworkFacts& facts, const pb::Node& from, const pb::Node& to, std::string_view network) {
  const pb::Encryption carrier = carrier_of(facts, network);
  NodePath path;
  path.from = from.name();
  path.to = to.name();
  if (from.key() == to.key()) {
    path.way = Way::SameNode;
    path.text = "both on " + from.name();
    if (from.state() != pb::NODE_ONLINE) path.problem = lacking(from, 0);
    return path;
  }
  if (carrier == pb::ENCRYPTION_NONE) {
    for (const pb::Node* node : {&from, &to}) {
      if (node->state() != pb::NODE_ONLINE && path.problem.empty()) path.problem = lacking(*node, 0);
    }
    if (share_backplane(from, to)) {
      find_way(facts, from, to, path);
    } else {
      path.problem = "network " + std::string(network) + " is not encrypted, so it stays on one backplane: " + from.name() +
                     " and " + to.name() + " share none";
    }
    return path;
  }
  const pb::SpaceGrant* grant = find_grant(facts, network);
  const uint32_t vni = carrier == pb::ENCRYPTION_DEDICATED && grant != nullptr ? grant->vni() : 0;
  find_way(facts, from, to, path);
  path.is_encrypted = true;
  path.is_preshared = !from.mesh_secret_id().empty() && from.mesh_secret_id() == to.mesh_secret_id();
  for (const pb::Node* node : {&to, &from}) {
    if (std::string what = lacking(*node, vni); !what.empty()) path.problem = what;
  }
  return path;
}

std::string_view way_name(Way way) {
  switch (way) {
    case Way::SameNode: return "same-node";
    case Way::Backplane: return "backplane";
    case Way::Endpoint: return "endpoint";
    case Way::Called: return "called";
    case Way::Relay: return "relay";
    case Way::None: return "none";
  }
  return "none";
}

}  // namespace mcloud::bot
