// Changing a node's WireGuard key without losing a packet. A key has a slot, each slot a device and an address of its own;
// for a while there are two. Each end of a pair decides by itself through which of its slots to which of the other's it
// sends, and moves only to a tunnel that has shaken hands. Pure; docs/reference/wireguard.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "network/mesh.h"

namespace mcloud::network {

// How long a change takes. While every peer follows the ledger: settle_ms + linger_ms, and the seconds in which the ledger
// tells of the keys, both ends make the tunnel and shake hands (keep-alives wake what is idle). A peer that has died or
// gone, and so answers by neither key, counts until its last session is 180 s old. One that answers by the old key alone,
// as it does not hear from the ledger, is waited for until patience_ms. Nobody counts who is no peer any more.
struct RotationPolicy {
  uint64_t age_max_ms = 30ull * 24 * 3600 * 1000;  // of a key; after it a new one is made
  uint64_t patience_ms = 3600 * 1000;              // for peers that are reached by the old key only
  uint64_t settle_ms = 15'000;                     // between the last handshake and the old key's retirement
  uint64_t linger_ms = 60'000;                     // between its retirement and the end of its device
};

// A key of slot 0 or 1 that this node has, with a device or about to get one.
struct HeldKey {
  uint32_t slot = 0;
  WireGuardKey key;  // public
  uint64_t made_ms = 0;
};

// What is so now, of the mesh or of one dedicated network.
struct RotationView {
  uint64_t wall_ms = 0;
  uint64_t steady_ms = 0;                // never goes back
  bool is_asked = false;                 // somebody wants a new key now
  std::vector<HeldKey> own;              // oldest first
  std::vector<WireGuardKey> on_ledger;   // ours
  std::vector<uint32_t> told;            // RotationAdvice::publish of last time; empty: not known
  std::vector<MeshNode> peers;           // as the ledger has them
  std::vector<ActualDevice> devices;     // as they said last
  std::string netns = kMeshNetns;
  std::string device_prefix = "mwg";
};

// May be lost at any time (a restart): then something is waited for once more.
struct RotationMemory {
  std::optional<uint64_t> published_ms;  // steady; the ledger has both keys since
  std::optional<uint64_t> shaken_ms;     // every peer that is reached has shaken hands with the new key since
  std::optional<uint64_t> retired_ms;    // the ledger has the new key alone since
};

struct RotationAdvice {
  // Make a key of this slot and keep it durably; then it is in `own`. Answers `is_asked`.
  std::optional<uint32_t> make_slot;
  // Slots whose keys the ledger is to have. Publish when it has others.
  std::vector<uint32_t> publish;
  // This slot's key is no more: forget it, its device goes.
  std::optional<uint32_t> drop_slot;
  RotationMemory memory;
};

RotationAdvice advise(const RotationPolicy& policy, const RotationView& view, const RotationMemory& memory);

// How packets for a node leave: through our slot (MeshWish::send_slot), to the address of its slot (vxlan_target).
struct SendPath {
  uint32_t own_slot = 0, peer_slot = 0;
  auto operator<=>(const SendPath&) const = default;
};

// For every peer with a key. The newest pair of keys that has shaken hands; else what was chosen before, while both ends
// have it; else our oldest key that the ledger is not told to forget: a peer that is new has never heard of others.
std::map<NodeId, SendPath> choose_paths(const RotationView& view, const std::map<NodeId, SendPath>& before);

}  // namespace mcloud::network
