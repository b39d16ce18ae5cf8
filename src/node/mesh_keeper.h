// The encrypted ways between this node and others: the namespace of the mesh, WireGuard devices in it and in networks
// that have their own, the keys of these devices.
#pragma once

#include <map>
#include <memory>
#include <mutex>  // the agent's loop asks for keys and figures that the networks' lane makes
#include <set>
#include <string>
#include <vector>

#include "base/world.h"
#include "network/mesh_machine.h"
#include "network/rotation.h"
#include "node/mesh_keys.h"

namespace mcloud::node {

// What the networks of this node need; pure.
struct MeshNeeds {
  bool is_meshed = false;                                // some network here is in the mesh, or hidden nodes meet here
  std::map<uint32_t, std::map<Bytes, pb::Node>> peers;   // by network (0 = the mesh), by node
  static MeshNeeds of(const std::map<ContractId, pb::LocalNetworks>& networks, const pb::LocalMesh& mesh);
  // Without networks in the mesh it is there for those who meet here, and for dedicated networks' peers that are met elsewhere.
  static bool is_mesh_for_relays(const pb::LocalMesh& mesh, bool has_dedicated);
  std::vector<uint32_t> dedicated() const;
};

class MeshKeeper {
 public:
  struct Options {
    std::string key_file;  // DATA/network/keys
    Bytes mesh_secret;
    bool needs_relay_key = false;  // it is hidden, or a relay
    int underlay_mtu = 1500;
    network::RotationPolicy rotation;
    std::string ask_file;  // RUNTIME/rotate-keys: who makes it wants new keys now; removed when they are made. "" = none
  };
  // Both are borrowed.
  static Result<std::unique_ptr<MeshKeeper>> open(network::MeshMachine& machine, const Clock& clock, Options options);

  // From any thread: what the ledger is to know of us; without keys when it could not be made.
  pb::PublishKeys published() const;
  // From any thread: devices as they were read last.
  std::vector<network::ActualDevice> devices() const;

  // From here on of one thread, in the node's network namespace.
  // Keys, the ways to peers and the namespace of the mesh: before the networks that stand on them.
  Status prepare(const MeshNeeds& needs, const pb::LocalMesh& mesh);
  // Devices, with those of access points. After the networks. Goes on past what fails; the first error.
  Status apply(const MeshNeeds& needs, const pb::LocalMesh& mesh, const std::vector<network::WireGuardDevice>& access);
  // What apply() made last is made again where it is not so any more; figures are read; keys that are old are changed.
  // True: keys or the ways to peers are others now: prepare() and apply() with the networks.
  Result<bool> tend();
  // Whose the keys of peers are.
  std::map<network::WireGuardKey, NodeId> key_owners() const;
  // Through which slot a peer is sent to in this network, by its number; what is not in it by its newest.
  std::map<uint32_t, uint32_t> peer_slots(uint32_t vni) const;

 private:
  MeshKeeper(network::MeshMachine& machine, const Clock& clock, Options options, MeshKeys keys)
      : machine_(machine), clock_(clock), options_(std::move(options)), keys_(std::move(keys)) {}

  Status ensure_keys(const MeshNeeds& needs);
  Status apply_wishes();
  Status choose_ways(const MeshNeeds& needs);
  network::RotationView view_of(uint32_t vni, std::vector<network::MeshNode> peers) const;
  Result<bool> rotate(uint32_t vni, const network::MeshWish& wish);
  Result<bool> rotate_all();
  Status change_keys(uint32_t vni, const network::RotationAdvice& advice);
  std::vector<network::WireGuardKey> on_ledger(uint32_t vni) const;
  void publish();
  void withhold_unknown(uint32_t vni, std::set<std::pair<uint32_t, uint32_t>>& withheld) const;

  network::MeshMachine& machine_;
  const Clock& clock_;
  const Options options_;
  MeshKeys keys_;
  std::map<uint32_t, network::MeshWish> wishes_;        // by network, as apply() was told last
  pb::Node self_;                                       // the ledger's record of us, as apply() was told last
  struct Rotation {
    network::RotationMemory memory;
    std::vector<uint32_t> published;  // slots; empty = all
    std::map<NodeId, network::SendPath> paths;
    std::map<NodeId, uint32_t> numbers;  // of the peers, as prepare() was told last
  };
  std::map<uint32_t, Rotation> rotations_;
  bool is_asked_ = false;   // by `ask_file`, at this tend()
  bool is_answered_ = false;
  std::vector<network::WireGuardDevice> access_;
  bool is_dead_ = false;  // a device has died and was not made again yet

  mutable std::mutex mutex_;
  pb::PublishKeys published_;
  std::vector<network::ActualDevice> devices_;
};

// One for the mesh (0) when it is needed, one for each network with devices of its own. Pure. Invalid: a record is not one.
Result<std::map<uint32_t, network::MeshWish>> mesh_wishes(const MeshNeeds& needs, const pb::LocalMesh& mesh, const MeshKeys& keys,
                                                   const MeshKeeper::Options& options);

}  // namespace mcloud::node
