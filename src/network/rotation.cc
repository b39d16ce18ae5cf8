#include "network/rotation.h"

#include <algorithm>

namespace mcloud::network {
namespace {

// WireGuard takes no packet under a session that is older (its paper, REJECT_AFTER_TIME).
constexpr uint64_t kSessionMs = 180'000;

// Handshakes by own slot and the peer's key.
class Handshakes {
 public:
  explicit Handshakes(const RotationView& view) {
    for (const HeldKey& own : view.own) {
      for (const ActualDevice& device : view.devices) {
        bool is_its = device.device.netns == view.netns &&
                      device.device.name == view.device_prefix + std::to_string(own.slot) &&
                      device.device.secret.public_key() == own.key;
        if (is_its) devices_[own.slot] = &device;
      }
    }
  }

  bool has_device(uint32_t slot) const { return devices_.contains(slot); }
  // Wall clock; 0 = never.
  uint64_t last(uint32_t slot, const WireGuardKey& peer) const {
    auto device = devices_.find(slot);
    if (device == devices_.end()) return 0;
    auto figures = device->second->figures.find(peer);
    return figures == device->second->figures.end() ? 0 : figures->second.last_handshake_ms;
  }

 private:
  std::map<uint32_t, const ActualDevice*> devices_;
};

bool is_of_mesh(const MeshKey& key) { return key.slot < kRelaySlot; }

bool is_recent(uint64_t handshake_ms, uint64_t now_ms) {
  return handshake_ms != 0 && (handshake_ms >= now_ms || now_ms - handshake_ms < kSessionMs);
}

bool has_on_ledger(const RotationView& view, const WireGuardKey& key) {
  return std::find(view.on_ledger.begin(), view.on_ledger.end(), key) != view.on_ledger.end();
}

// Whoever reads the ledger from now on learns of this key of ours.
bool is_told(const RotationView& view, const HeldKey& own) {
  if (!view.told.empty()) return std::find(view.told.begin(), view.told.end(), own.slot) != view.told.end();
  bool knows_none = std::none_of(view.own.begin(), view.own.end(), [&](const HeldKey& one) { return has_on_ledger(view, one.key); });
  return knows_none || has_on_ledger(view, own.key);
}

// By the new key, or not at all any more.
bool is_settled(const RotationView& view, const Handshakes& handshakes, const MeshNode& peer) {
  const HeldKey& old_key = view.own.front();
  const HeldKey& new_key = view.own.back();
  bool by_old = false;
  for (const MeshKey& key : peer.keys) {
    if (!is_of_mesh(key)) continue;
    if (is_recent(handshakes.last(new_key.slot, key.key), view.wall_ms)) return true;
    by_old = by_old || is_recent(handshakes.last(old_key.slot, key.key), view.wall_ms);
  }
  return !by_old;
}

bool has_passed(const std::optional<uint64_t>& since, uint64_t wait_ms, uint64_t now_ms) {
  return since.has_value() && now_ms >= *since + wait_ms;
}

void keep_since(std::optional<uint64_t>& since, bool is_so, uint64_t now_ms) {
  if (!is_so) {
    since.reset();
  } else if (!since.has_value()) {
    since = now_ms;
  }
}

}  // namespace

RotationAdvice advise(const RotationPolicy& policy, const RotationView& view, const RotationMemory& memory) {
  RotationAdvice out;
  if (view.own.empty()) {
    out.make_slot = 0;
    return out;
  }
  const HeldKey& old_key = view.own.front();
  const HeldKey& new_key = view.own.back();
  if (view.own.size() == 1) {
    out.publish = {new_key.slot};
    // A key that was made in the future is one whose clock has been set back since: it is of no age.
    bool is_old = view.wall_ms >= new_key.made_ms && view.wall_ms - new_key.made_ms >= policy.age_max_ms;
    bool is_known = has_on_ledger(view, new_key.key);
    if (is_known && (is_old || view.is_asked)) out.make_slot = 1 - new_key.slot;
    return out;
  }
  Handshakes handshakes(view);
  out.memory = memory;
  bool has_new = has_on_ledger(view, new_key.key);
  bool has_old = has_on_ledger(view, old_key.key);
  bool is_settled_with_all = std::all_of(view.peers.begin(), view.peers.end(), [&](const MeshNode& peer) {
    return is_settled(view, handshakes, peer);
  });
  keep_since(out.memory.published_ms, has_new && has_old, view.steady_ms);
  keep_since(out.memory.shaken_ms, has_new && has_old && is_settled_with_all, view.steady_ms);
  keep_since(out.memory.retired_ms, has_new && !has_old, view.steady_ms);
  if (has_new && !has_old) {
    out.publish = {new_key.slot};
    if (has_passed(out.memory.retired_ms, policy.linger_ms, view.steady_ms)) out.drop_slot = old_key.slot;
    return out;
  }
  bool may_retire = has_passed(out.memory.shaken_ms, policy.settle_ms, view.steady_ms) ||
                    has_passed(out.memory.published_ms, policy.patience_ms, view.steady_ms);
  if (may_retire) {
    out.publish = {new_key.slot};
  } else if (has_new || handshakes.has_device(new_key.slot)) {
    out.publish = {old_key.slot, new_key.slot};
  } else {
    out.publish = {old_key.slot};  // nobody is told of a key before its device is there
  }
  return out;
}

std::map<NodeId, SendPath> choose_paths(const RotationView& view, const std::map<NodeId, SendPath>& before) {
  std::map<NodeId, SendPath> out;
  Handshakes handshakes(view);
  for (const MeshNode& peer : view.peers) {
    std::optional<SendPath> chosen, last, oldest;
    auto was = before.find(peer.id);
    for (auto own = view.own.rbegin(); own != view.own.rend(); ++own) {
      for (auto key = peer.keys.rbegin(); key != peer.keys.rend(); ++key) {
        if (!is_of_mesh(*key)) continue;
        SendPath path{own->slot, key->slot};
        bool is_ready = is_recent(handshakes.last(own->slot, key->key), view.wall_ms);
        if (is_told(view, *own) || !oldest.has_value()) oldest = path;
        bool is_last = was != before.end() && was->second == path;
        if (is_last && (is_ready || is_told(view, *own))) last = path;
        // From the newest down: what is in use is only left for something newer.
        if (!chosen.has_value() && !last.has_value() && is_ready) chosen = path;
      }
    }
    if (!chosen.has_value()) chosen = last.has_value() ? last : oldest;
    if (chosen.has_value()) out[peer.id] = *chosen;
  }
  return out;
}

}  // namespace mcloud::network
