#include "network/mesh.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/ip_prefix.h"
#include "crypto/hash.h"

namespace mcloud::network {
namespace {

constexpr uint32_t kMeshBase = 0xC6120000;  // 198.18.0.0
constexpr uint32_t kNumberMax = 16'383;
constexpr uint32_t kMeshTable = 200;  // + slot

std::string host_range(Ipv4 address) { return address.text() + "/32"; }

const MeshKey* key_of_slot(const MeshNode& node, uint32_t slot) {
  auto found = std::find_if(node.keys.begin(), node.keys.end(), [&](const MeshKey& key) { return key.slot == slot; });
  return found == node.keys.end() || found->key.is_none() ? nullptr : &*found;
}

bool has_mesh_slot(const MeshNode& node, uint32_t slot) { return slot < kRelaySlot && key_of_slot(node, slot) != nullptr; }

bool is_numbered(const MeshNode& node) { return node.number >= 1 && node.number <= kNumberMax; }

std::string endpoint(const std::string& address, uint16_t port) {
  auto parsed = IpAddress::parse(address);
  return parsed.has_value() && port != 0 ? IpEndpoint{*parsed, port}.text() : "";
}

bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

// Where `to` is called by `from`; "" when it cannot be.
std::string address_for(const MeshNode& from, const MeshNode& to) {
  bool share_backplane = from.farm == to.farm && !from.backplane.empty() && !to.backplane.empty();
  if (share_backplane) return to.backplane;
  if (to.is_hidden || to.endpoints.empty()) return "";
  // The first of a family that `from` has too, as far as it says which it has.
  for (const std::string& address : to.endpoints) {
    bool is_known = std::any_of(from.endpoints.begin(), from.endpoints.end(),
                                [&](const std::string& own) { return is_v6(own) == is_v6(address); });
    if (is_known) return address;
  }
  return to.endpoints.front();
}

bool can_relay(const MeshNode& relay) {
  return is_numbered(relay) && !relay.is_hidden && !relay.endpoints.empty() && key_of_slot(relay, kRelaySlot) != nullptr;
}

class MeshPlan {
 public:
  explicit MeshPlan(const MeshWish& wish) : wish_(wish) {
    for (const OwnKey& own : wish.own_keys) {
      if (own.slot < kRelaySlot) slots_[own.slot] = &own;
      if (own.slot == kRelaySlot) relay_key_ = &own;
    }
    for (const MeshNode& peer : wish.peers) {
      if (peer.id != wish.self.id && is_numbered(peer)) peers_.try_emplace(peer.number, &peer);
    }
  }

  std::vector<WireGuardDevice> devices() const {
    std::vector<WireGuardDevice> out;
    if (!is_numbered(wish_.self)) return out;
    // First what the others' tunnels may go through: a handshake that finds no way is tried again only after 5 s.
    WireGuardDevice relay = relay_device();
    if (!relay.peers.empty()) out.push_back(std::move(relay));
    for (const auto& [slot, own] : slots_) out.push_back(mesh_device(*own));
    return out;
  }

 private:
  WireGuardDevice bare_device(const OwnKey& own) const {
    WireGuardDevice out;
    out.secret = own.secret;
    out.port = own.port;
    out.addresses = {host_range(mesh_address(wish_.self.number, own.slot))};
    out.mtu = wish_.underlay_mtu - kMeshOverhead;
    return out;
  }

  WireGuardDevice mesh_device(const OwnKey& own) const {
    WireGuardDevice out = bare_device(own);
    out.name = wish_.device_prefix + std::to_string(own.slot);
    out.netns = wish_.netns;
    out.table = kMeshTable + own.slot;
    for (const auto& [number, peer] : peers_) {
      for (uint32_t slot : {0u, 1u}) {
        const MeshKey* key = key_of_slot(*peer, slot);
        if (key != nullptr) out.peers.push_back(mesh_peer(own, *peer, *key));
      }
    }
    return finish(std::move(out));
  }

  WireGuardPeer mesh_peer(const OwnKey& own, const MeshNode& peer, const MeshKey& key) const {
    WireGuardPeer out = any_peer(own, peer, key);
    out.allowed = {host_range(mesh_address(peer.number, key.slot))};
    out.is_routed = send_slot(peer.id) == own.slot;
    std::string called = address_for(wish_.self, peer);
    bool calls = !address_for(peer, wish_.self).empty();
    if (!called.empty()) {
      out.endpoint = endpoint(called, key.port);
    } else if (!calls && relay_of(wish_.self.id, peer.id, wish_.relays) != nullptr) {
      out.endpoint = endpoint(mesh_address(peer.number, kRelaySlot).text(), key.port);
    }
    bool is_changing = slots_.size() > 1 || (has_mesh_slot(peer, 0) && has_mesh_slot(peer, 1));
    // Who cannot be called keeps the way open that others use.
    if (!calls || is_changing) out.keepalive_s = kKeepaliveS;
    return out;
  }

  WireGuardPeer any_peer(const OwnKey& own, const MeshNode& peer, const MeshKey& key) const {
    WireGuardPeer out;
    out.key = key.key;
    bool share_secret = !wish_.mesh_secret.empty() && !wish_.self.mesh_secret_id.is_none() &&
                        wish_.self.mesh_secret_id == peer.mesh_secret_id;
    if (share_secret) out.preshared = preshared_key(wish_.mesh_secret, own.key, key.key);
    return out;
  }

  uint32_t send_slot(const NodeId& peer) const {
    auto found = wish_.send_slot.find(peer);
    if (found != wish_.send_slot.end() && slots_.contains(found->second)) return found->second;
    return slots_.begin()->first;
  }

  WireGuardDevice relay_device() const {
    if (relay_key_ == nullptr) return {};
    WireGuardDevice out = bare_device(*relay_key_);
    out.name = kRelayDevice;
    bool is_relay = can_relay(wish_.self);
    if (is_relay) {
      for (const MeshNode& user : wish_.relay_users) add_relay_peer(out, user, {});
    } else {
      for (const auto& [number, use] : relays_in_use()) add_relay_peer(out, *use.first, use.second);
    }
    return finish(std::move(out));
  }

  // By number, with the relay addresses of those who are met there.
  using RelayUse = std::pair<const MeshNode*, std::vector<std::string>>;
  std::map<uint32_t, RelayUse> relays_in_use() const {
    std::map<uint32_t, const MeshNode*> all = peers_;
    for (const MeshNode& other : wish_.others_met) {
      if (other.id != wish_.self.id && is_numbered(other)) all.try_emplace(other.number, &other);
    }
    std::map<uint32_t, RelayUse> out;
    for (const auto& [number, peer] : all) {
      bool is_direct = !address_for(wish_.self, *peer).empty() || !address_for(*peer, wish_.self).empty();
      const MeshNode* relay = is_direct ? nullptr : relay_of(wish_.self.id, peer->id, wish_.relays);
      if (relay == nullptr) continue;
      RelayUse& use = out[relay->number];
      use.first = relay;
      use.second.push_back(host_range(mesh_address(number, kRelaySlot)));
    }
    return out;
  }

  void add_relay_peer(WireGuardDevice& device, const MeshNode& peer, std::vector<std::string> behind) const {
    const MeshKey* key = key_of_slot(peer, kRelaySlot);
    if (key == nullptr || !is_numbered(peer) || peer.id == wish_.self.id) return;
    WireGuardPeer out = any_peer(*relay_key_, peer, *key);
    out.allowed = std::move(behind);
    out.allowed.push_back(host_range(mesh_address(peer.number, kRelaySlot)));
    out.endpoint = endpoint(address_for(wish_.self, peer), key->port);
    if (address_for(peer, wish_.self).empty()) out.keepalive_s = kKeepaliveS;
    device.peers.push_back(std::move(out));
  }

  static WireGuardDevice finish(WireGuardDevice device) {
    std::set<std::string> ranges;
    for (WireGuardPeer& peer : device.peers) {
      // The ledger gives no number and no range twice; were it otherwise the first would keep it.
      std::erase_if(peer.allowed, [&](const std::string& range) { return !ranges.insert(range).second; });
      std::sort(peer.allowed.begin(), peer.allowed.end());
    }
    std::sort(device.peers.begin(), device.peers.end(),
              [](const auto& a, const auto& b) { return std::tie(a.key, a.allowed) < std::tie(b.key, b.allowed); });
    auto same = [](const auto& a, const auto& b) { return a.key == b.key; };
    device.peers.erase(std::unique(device.peers.begin(), device.peers.end(), same), device.peers.end());
    return device;
  }

  const MeshWish& wish_;
  std::map<uint32_t, const OwnKey*> slots_;
  const OwnKey* relay_key_ = nullptr;
  std::map<uint32_t, const MeshNode*> peers_;  // by number
};

}  // namespace

Ipv4 mesh_address(uint32_t number, uint32_t slot) { return Ipv4{kMeshBase + 4 * number + slot}; }

uint32_t newest_slot(const MeshNode& node) {
  for (auto key = node.keys.rbegin(); key != node.keys.rend(); ++key) {
    if (has_mesh_slot(node, key->slot)) return key->slot;
  }
  return 0;
}

std::vector<WireGuardDevice> plan_mesh(const MeshWish& wish) { return MeshPlan(wish).devices(); }

WireGuardKey preshared_key(BytesView mesh_secret, const WireGuardKey& one, const WireGuardKey& other) {
  if (mesh_secret.size() < 16) return {};
  const WireGuardKey& low = std::min(one, other);
  const WireGuardKey& high = std::max(one, other);
  Hash hash = crypto::blake2b_keyed(mesh_secret, Bytes(low.view()) + Bytes(high.view()));
  WireGuardKey out;
  std::copy_n(hash.data(), out.bytes.size(), out.bytes.begin());
  return out;
}

const MeshNode* relay_of(const NodeId& one, const NodeId& other, const std::vector<MeshNode>& relays) {
  const NodeId& low = std::min(one, other);
  const NodeId& high = std::max(one, other);
  const MeshNode* out = nullptr;
  Hash lowest;
  for (const MeshNode& relay : relays) {
    if (!can_relay(relay) || relay.id == one || relay.id == other) continue;
    Hash hash = crypto::blake2b({low.view(), high.view(), relay.id.view()});
    if (out != nullptr && !(hash < lowest)) continue;
    out = &relay;
    lowest = hash;
  }
  return out;
}

Ipv4 vxlan_target(const MeshNode& peer) { return mesh_address(peer.number, newest_slot(peer)); }

Ipv4 vxlan_target(const MeshNode& peer, uint32_t slot) {
  return has_mesh_slot(peer, slot) ? mesh_address(peer.number, slot) : vxlan_target(peer);
}

}  // namespace mcloud::network
