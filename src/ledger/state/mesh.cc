#include "ledger/state/mesh.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

#include "ledger/state/call.h"
#include "ledger/state/liveness.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"

namespace mcloud::ledger {
namespace {

constexpr int kKeysMax = 64;
constexpr size_t kKeySize = 32;
constexpr uint32_t kVniMax = (1u << 24) - 1;
constexpr uint32_t kRelaySlot = 2;
// Each set of keys makes every neighbour of the node read it again. Over time one per 10 s is taken, and up to a
// minute ahead of that: a node that starts several networks of their own has keys for each.
constexpr uint64_t kPublishEveryMs = 10'000;
constexpr uint64_t kPublishAheadMs = 60'000;

Status invalid(std::string message) { return make_error(Code::Invalid, "keys: " + std::move(message)); }

Status check_key(const pb::MeshKey& key) {
  if (key.key().size() != kKeySize || key.key() == Bytes(kKeySize, '\0')) return invalid("a key has 32 bytes, not all zero");
  if (key.port() == 0 || key.port() > 65535) {
    return invalid("port is " + std::to_string(key.port()) + ", allowed: 1 to 65535");
  }
  if (key.vni() > kVniMax) return invalid("vni is " + std::to_string(key.vni()) + ", allowed: 0 to 16777215");
  const uint32_t slot_max = key.vni() == 0 ? kRelaySlot : 1;
  if (key.slot() <= slot_max) return {};
  return invalid("slot is " + std::to_string(key.slot()) + ", allowed: 0 to " + std::to_string(slot_max));
}

Status check_keys(const pb::PublishKeys& action) {
  // A node that cannot encrypt has none, and moves all the same.
  const int keys_min = action.has_addresses() ? 0 : 1;
  if (action.keys_size() < keys_min || action.keys_size() > kKeysMax) {
    return invalid("there are " + std::to_string(action.keys_size()) + ", allowed: 1 to " + std::to_string(kKeysMax) +
                   ", or none when addresses are told");
  }
  if (!action.mesh_secret_id().empty() && action.mesh_secret_id().size() != kKeySize) {
    return make_error(Code::Invalid, "mesh_secret_id: a hash has 32 bytes; empty: the node has no secret");
  }
  std::set<std::string> keys;
  std::set<uint32_t> ports;
  for (int i = 0; i < action.keys_size(); ++i) {
    const pb::MeshKey& key = action.keys(i);
    TRY(check_key(key));
    if (i > 0 && std::pair(action.keys(i - 1).vni(), action.keys(i - 1).slot()) >= std::pair(key.vni(), key.slot())) {
      return invalid("must be sorted by vni and slot, and unique");
    }
    if (!keys.insert(key.key()).second) return invalid("a key is there twice");
    if (!ports.insert(key.port()).second) return invalid("port " + std::to_string(key.port()) + " is there twice");
  }
  return {};
}

// A key is one node's: whoever published somebody else's could take its packets.
Status check_owners(const pb::PublishKeys& action, const PublicKey& sender, const StateReader& state) {
  for (const pb::MeshKey& key : action.keys()) {
    std::optional<Bytes> owner = state.get(keys::mesh_key(key.key()));
    if (owner && *owner != sender.view()) {
      return make_error(Code::AlreadyExists, "keys: another node has published key " +
                                                 to_hex(BytesView(key.key()).substr(0, 4)) + "; make a new one");
    }
  }
  return {};
}

// By network, and in each the ones that were there already first: the last of a network's two is its newest.
std::vector<pb::MeshKey> in_order(const pb::PublishKeys& action, const pb::Node& node) {
  auto age = [&](const pb::MeshKey& key) {
    for (int i = 0; i < node.mesh_keys_size(); ++i) {
      const pb::MeshKey& old = node.mesh_keys(i);
      if (old.vni() == key.vni() && old.slot() == key.slot() && old.key() == key.key()) return i;
    }
    return node.mesh_keys_size();
  };
  std::vector<pb::MeshKey> order(action.keys().begin(), action.keys().end());
  std::sort(order.begin(), order.end(), [&](const pb::MeshKey& a, const pb::MeshKey& b) {
    return std::tuple(a.vni(), age(a), a.slot()) < std::tuple(b.vni(), age(b), b.slot());
  });
  return order;
}

bool is_same(const std::vector<pb::MeshKey>& order, const pb::Node& node) {
  return std::equal(order.begin(), order.end(), node.mesh_keys().begin(), node.mesh_keys().end(),
                    [](const pb::MeshKey& a, const pb::MeshKey& b) {
                      return a.SerializeAsString() == b.SerializeAsString();
                    });
}

void replace_keys(StateWriter& state, const std::vector<pb::MeshKey>& order, pb::Node& node) {
  for (const pb::MeshKey& key : node.mesh_keys()) state.erase(keys::mesh_key(key.key()));
  node.clear_mesh_keys();
  for (const pb::MeshKey& key : order) {
    state.put(keys::mesh_key(key.key()), node.key());
    *node.add_mesh_keys() = key;
  }
}

Status take_turn(const Call& call, StateWriter& state) {
  const uint64_t due_ms = std::max(call.time_ms, load_number(state, keys::published(call.sender)).value_or(0));
  if (due_ms > call.time_ms + kPublishAheadMs) {
    return make_error(Code::Exhausted, "keys: at most one set per node and 10 s; wait " +
                                           std::to_string(due_ms - call.time_ms - kPublishAheadMs) + " ms");
  }
  store_number(state, keys::published(call.sender), due_ms + kPublishEveryMs);
  return {};
}

bool has_relay_key(const pb::Node& node) {
  return std::any_of(node.mesh_keys().begin(), node.mesh_keys().end(),
                     [](const pb::MeshKey& key) { return key.vni() == 0 && key.slot() == kRelaySlot; });
}

bool is_relay(const pb::Node& node) {
  return node.state() == pb::NODE_ONLINE && node.addresses().relay() && has_relay_key(node);
}

// What a node is to others is told at a join; where it is may change at any time.
Status check_moved(const Call& call, const pb::NodeAddresses& moved, const pb::Node& node) {
  TRY(check_addresses(moved, call.logic_version));
  pb::NodeAddresses kept = node.addresses();
  kept.set_backplane(moved.backplane());
  kept.set_uplink(moved.uplink());
  *kept.mutable_endpoints() = moved.endpoints();
  if (kept.SerializeAsString() == moved.SerializeAsString()) return {};
  return make_error(Code::Invalid, "addresses: hidden, relay and gateway are as the node has joined: " + node.name() +
                                       " rejoins to change them");
}

}  // namespace

void give_number(StateWriter& state, pb::Node& node) {
  if (node.number() != 0) return;
  uint64_t number = load_number(state, keys::next_node_number()).value_or(1);
  while (number <= kNodeNumberMax && exists(state, keys::node_number(static_cast<uint32_t>(number)))) ++number;
  if (number > kNodeNumberMax) return;
  node.set_number(static_cast<uint32_t>(number));
  state.put(keys::node_number(node.number()), node.key());
  store_number(state, keys::next_node_number(), number + 1);
}

void refresh_relay(StateWriter& state, const pb::Node& node, uint64_t height) {
  auto relays = load<pb::Relays>(state, keys::relays()).value_or(pb::Relays());
  auto& nodes = *relays.mutable_nodes();
  auto at = std::lower_bound(nodes.begin(), nodes.end(), node.key());
  const bool is_there = at != nodes.end() && *at == node.key();
  if (!is_there && !is_relay(node)) return;
  if (!is_relay(node)) {
    nodes.erase(at);
  } else if (!is_there) {
    if (nodes.size() >= kRelaysMax) return;
    relays.add_nodes(node.key());
    std::sort(nodes.begin(), nodes.end());
  }
  relays.set_revision(height);
  store(state, keys::relays(), relays);
}

void refresh_guest(StateWriter& state, const pb::Node& node, uint64_t height) {
  const Bytes key = keys::guest(node_id_of(node));
  const bool is_guest = !node.addresses().relay() && has_relay_key(node);
  if (!is_guest && !exists(state, key)) return;
  if (is_guest) {
    store_number(state, key, height);
  } else {
    state.erase(key);
  }
  store_number(state, keys::guests_revision(), height);
}

Status publish_keys(const Call& call, const pb::PublishKeys& action, StateWriter& state) {
  pb::Node node = *load_node(state, call.sender.view());
  if (node.state() != pb::NODE_ONLINE) {
    return make_error(Code::Denied, "node " + node.name() + " is fenced: it rejoins before it publishes keys");
  }
  TRY(check_keys(action));
  TRY(check_owners(action, call.sender, state));
  if (action.has_addresses()) TRY(check_moved(call, action.addresses(), node));
  const std::vector<pb::MeshKey> order = in_order(action, node);
  const bool is_numbered = node.number() != 0 || order.empty();
  if (!is_numbered) give_number(state, node);
  if (!order.empty() && node.number() == 0) {
    return make_error(Code::Exhausted, "all " + std::to_string(kNodeNumberMax) +
                                           " node numbers are taken: this node can be in no encrypted network");
  }
  const bool is_known = is_numbered && is_same(order, node) && node.mesh_secret_id() == action.mesh_secret_id();
  const bool is_there = !action.has_addresses() ||
                        action.addresses().SerializeAsString() == node.addresses().SerializeAsString();
  if (is_known && is_there) return {};
  TRY(take_turn(call, state));
  replace_keys(state, order, node);
  node.set_mesh_secret_id(action.mesh_secret_id());
  if (action.has_addresses()) *node.mutable_addresses() = action.addresses();
  store(state, keys::node(call.sender), node);
  refresh_relay(state, node, call.height);
  refresh_guest(state, node, call.height);
  revise_contracts(state, call.sender);
  return {};
}

}  // namespace mcloud::ledger
