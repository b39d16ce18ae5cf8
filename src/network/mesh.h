// Which WireGuard devices with which peers a node has, as a pure function of what the ledger says of it and of the
// nodes it shares encrypted networks with. docs/design/network.md 1.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "network/address.h"
#include "network/wireguard.h"

namespace mcloud::network {

inline constexpr uint16_t kMeshPort = 51820;   // + slot; slot 2: relay
inline constexpr int kMeshOverhead = 80;       // WireGuard over IPv6
inline constexpr const char* kMeshNetns = "mcloud_mesh";
inline constexpr const char* kRelayDevice = "mwg-relay";
inline constexpr const char* kAccessDevice = "access";  // of people's machines, in a portal (plan.h)
inline constexpr uint32_t kRelaySlot = 2;
inline constexpr uint16_t kKeepaliveS = 25;

// 198.18.0.0 + 4*number + slot. `number` 1..16383, slot 0..2.
Ipv4 mesh_address(uint32_t number, uint32_t slot);

struct MeshKey {
  uint32_t slot = 0;     // 0, 1; 2: at relays
  WireGuardKey key;      // public
  uint16_t port = 0;     // UDP
  auto operator<=>(const MeshKey&) const = default;
};

// What the ledger says of a node.
struct MeshNode {
  NodeId id;
  uint32_t number = 0;
  std::string farm;
  std::string backplane;                // IPv4 or IPv6 address, "" = none
  std::vector<std::string> endpoints;   // public addresses; others call the first of a family that they have too
  bool is_hidden = false;
  std::vector<MeshKey> keys;            // of the mesh, or of one dedicated network
  Hash mesh_secret_id;                  // zero = none
};

struct OwnKey {
  uint32_t slot = 0;
  WireGuardKey secret;
  WireGuardKey key;
  uint16_t port = 0;
};

struct MeshWish {
  MeshNode self;
  std::vector<OwnKey> own_keys;         // every slot that has a device now
  Bytes mesh_secret;                    // of the farm; empty = none
  std::vector<MeshNode> peers;          // nodes with members of encrypted networks that are here too
  std::vector<MeshNode> relays;         // the ledger's list, online ones only
  std::vector<MeshNode> relay_users;    // when we are a relay: the nodes that have a key of slot 2 and are none
  std::vector<MeshNode> others_met;     // of the mesh's wish: peers of dedicated networks, who may be met at relays as well
  std::map<NodeId, uint32_t> send_slot; // our slot towards a peer (rotation.h); absent = our lowest
  int underlay_mtu = 1500;
  // Where the devices go: kMeshNetns, or a dedicated network's namespace; and what they are called ("mwg" + slot).
  std::string netns = kMeshNetns;
  std::string device_prefix = "mwg";
};

// The slot of its two that a node published last; the ledger lists keys oldest first. 0 without keys.
uint32_t newest_slot(const MeshNode& node);

// kRelayDevice (in the node's namespace) first, when we have a key of slot 2 and it is needed: tunnels of the others may
// go through it. Then devices in the order of slots. Peers sorted by key; one for each key of a node. Nodes without
// number or key are left out. While either end has two keys both keep all their tunnels warm, so that a new one has
// shaken hands before it is needed.
std::vector<WireGuardDevice> plan_mesh(const MeshWish& wish);

// The preshared key of two ends that share a mesh secret; zero otherwise.
WireGuardKey preshared_key(BytesView mesh_secret, const WireGuardKey& one, const WireGuardKey& other);

// The relay of two hidden nodes, the same for both; nullptr when there is none.
const MeshNode* relay_of(const NodeId& one, const NodeId& other, const std::vector<MeshNode>& relays);

// Where VXLAN packets for a peer go: its newest slot's address; with `slot` that one's, while the peer has it.
Ipv4 vxlan_target(const MeshNode& peer);
Ipv4 vxlan_target(const MeshNode& peer, uint32_t slot);

}  // namespace mcloud::network
