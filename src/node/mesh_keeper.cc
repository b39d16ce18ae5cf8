#include "node/mesh_keeper.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/file.h"
#include "node/mesh_facts.h"

namespace mcloud::node {

MeshNeeds MeshNeeds::of(const std::map<ContractId, pb::LocalNetworks>& networks, const pb::LocalMesh& mesh) {
  MeshNeeds needs;
  for (const auto& [contract, local] : networks) {
    std::set<uint32_t> vnis;
    for (const pb::LocalNetwork& network : local.networks()) {
      if (network.encryption() == pb::ENCRYPTION_WIREGUARD) vnis.insert(0);
      if (network.encryption() == pb::ENCRYPTION_DEDICATED) vnis.insert(network.vni());
    }
    needs.is_meshed = needs.is_meshed || vnis.contains(0);
    for (uint32_t vni : vnis) {
      std::map<Bytes, pb::Node>& peers = needs.peers[vni];
      // Contracts read at different heights may know different keys of a node: the one with more is in a change.
      for (const pb::Node& peer : local.peers()) {
        auto [known, is_new] = peers.try_emplace(peer.key(), peer);
        if (!is_new && known->second.mesh_keys_size() < peer.mesh_keys_size()) known->second = peer;
      }
    }
  }
  needs.is_meshed = needs.is_meshed || is_mesh_for_relays(mesh, !needs.dedicated().empty());
  return needs;
}

bool MeshNeeds::is_mesh_for_relays(const pb::LocalMesh& mesh, bool has_dedicated) {
  bool is_met = mesh.self().addresses().relay() && !mesh.guests().empty();
  return is_met || (has_dedicated && meets_at_relays(mesh.self()));
}

std::vector<uint32_t> MeshNeeds::dedicated() const {
  std::vector<uint32_t> vnis;
  for (const auto& [vni, nodes] : peers) {
    if (vni != 0) vnis.push_back(vni);
  }
  return vnis;
}

Result<std::unique_ptr<MeshKeeper>> MeshKeeper::open(network::MeshMachine& machine, const Clock& clock, Options options) {
  TRY(io::make_folders(options.key_file.substr(0, options.key_file.rfind('/')), 0700));
  MeshKeys keys = TRY(MeshKeys::open(options.key_file));
  std::unique_ptr<MeshKeeper> keeper(new MeshKeeper(machine, clock, std::move(options), std::move(keys)));
  // The first key of the mesh is there, and known, before anything needs it.
  TRY(keeper->ensure_keys({}));
  keeper->publish();
  return keeper;
}

pb::PublishKeys MeshKeeper::published() const {
  std::lock_guard lock(mutex_);
  return published_;
}

std::vector<network::ActualDevice> MeshKeeper::devices() const {
  std::lock_guard lock(mutex_);
  return devices_;
}

// Of a network that is not used now nobody gives advice: the ledger keeps what it has of it, and hears of the others.
void MeshKeeper::withhold_unknown(uint32_t vni, std::set<std::pair<uint32_t, uint32_t>>& withheld) const {
  std::vector<network::WireGuardKey> known = on_ledger(vni);
  for (const network::OwnKey& own : keys_.of(vni)) {
    bool is_known = own.slot == network::kRelaySlot || std::find(known.begin(), known.end(), own.key) != known.end();
    if (!is_known) withheld.emplace(vni, own.slot);
  }
}

// While a key is being changed, tend() says which of the two the ledger is to have; an agent that has just begun does not
// know, and leaves the ledger as it is.
void MeshKeeper::publish() {
  std::set<std::pair<uint32_t, uint32_t>> withheld;
  std::map<uint32_t, size_t> counts;
  for (const pb::LocalKey& key : keys_.all().keys()) counts[key.vni()] += key.slot() != network::kRelaySlot;
  bool is_known = true;
  for (const auto& [vni, count] : counts) {
    auto rotation = rotations_.find(vni);
    bool has_advice = rotation != rotations_.end() && !rotation->second.published.empty();
    if (count > 1 && !has_advice) withhold_unknown(vni, withheld);
    if (count > 1 && !has_advice && self_.key().empty()) is_known = false;
    if (!has_advice) continue;
    const std::vector<uint32_t>& told = rotation->second.published;
    for (uint32_t slot : {0u, 1u}) {
      if (std::find(told.begin(), told.end(), slot) == told.end()) withheld.emplace(vni, slot);
    }
  }
  pb::PublishKeys published;
  if (is_known) published = keys_.published(options_.mesh_secret, withheld);
  std::lock_guard lock(mutex_);
  published_ = std::move(published);
}

Status MeshKeeper::ensure_keys(const MeshNeeds& needs) {
  std::vector<uint32_t> dedicated = needs.dedicated();
  std::vector<uint32_t> all = dedicated;
  all.push_back(0);
  for (uint32_t vni : all) {
    std::vector<network::OwnKey> own = keys_.of(vni);
    std::erase_if(own, [](const network::OwnKey& key) { return key.slot == network::kRelaySlot; });
    if (own.empty()) TRY(keys_.ensure(vni, 0, clock_.wall_ms()));
  }
  if (options_.needs_relay_key) TRY(keys_.ensure(0, network::kRelaySlot, clock_.wall_ms()));
  return {};
}

Status MeshKeeper::prepare(const MeshNeeds& needs, const pb::LocalMesh& mesh) {
  self_ = mesh.self();
  TRY(ensure_keys(needs).with_context("keys of the mesh"));
  TRY(keys_.keep_only(needs.dedicated()));
  publish();
  TRY(choose_ways(needs));
  if (!needs.is_meshed) return {};
  return machine_.prepare().with_context("namespace of the mesh");
}

namespace {

// What carries a network's tunnels: the mesh (0), or devices of its own.
std::string netns_of(uint32_t vni) { return vni == 0 ? network::kMeshNetns : "mcloud_net_" + std::to_string(vni); }
std::string device_prefix_of(uint32_t vni) { return vni == 0 ? "mwg" : "mwgd"; }

Result<std::vector<network::MeshNode>> peers_in(const MeshNeeds& needs, uint32_t vni) {
  std::vector<network::MeshNode> peers;
  auto found = needs.peers.find(vni);
  if (found == needs.peers.end()) return peers;
  for (const auto& [id, node] : found->second) peers.push_back(TRY(mesh_node(node, vni)));
  return peers;
}

// Somebody here has two keys, or a peer has others than those by which it was sent to.
bool has_choice(const network::RotationView& view, const std::map<NodeId, network::SendPath>& paths) {
  auto has_slot = [](const auto& keys, uint32_t slot) {
    return std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return key.slot == slot; });
  };
  return view.own.size() > 1 || std::any_of(view.peers.begin(), view.peers.end(), [&](const network::MeshNode& peer) {
           auto path = paths.find(peer.id);
           bool is_other = path == paths.end() || !has_slot(view.own, path->second.own_slot) ||
                           !has_slot(peer.keys, path->second.peer_slot);
           return is_other || (has_slot(peer.keys, 0) && has_slot(peer.keys, 1));
         });
}

}  // namespace

// An agent that has just begun knows no ways, and what is read of peers may take one away: packets must not go by a key
// that the other end does not know yet, or any more.
Status MeshKeeper::choose_ways(const MeshNeeds& needs) {
  std::optional<std::vector<network::ActualDevice>> devices;
  for (const auto& [vni, nodes] : needs.peers) {
    network::RotationView view = view_of(vni, TRY(peers_in(needs, vni)));
    Rotation& rotation = rotations_[vni];
    rotation.numbers.clear();
    for (const network::MeshNode& peer : view.peers) rotation.numbers[peer.id] = peer.number;
    if (!has_choice(view, rotation.paths)) continue;
    if (!devices) devices = TRY(machine_.read());
    view.devices = *devices;
    view.told = rotation.published;
    rotation.paths = network::choose_paths(view, rotation.paths);
  }
  return {};
}

network::RotationView MeshKeeper::view_of(uint32_t vni, std::vector<network::MeshNode> peers) const {
  network::RotationView view;
  view.wall_ms = clock_.wall_ms();
  view.steady_ms = clock_.monotonic_ms();
  view.is_asked = is_asked_;
  view.on_ledger = on_ledger(vni);
  view.peers = std::move(peers);
  view.netns = netns_of(vni);
  view.device_prefix = device_prefix_of(vni);
  for (const pb::LocalKey& key : keys_.all().keys()) {
    auto secret = network::WireGuardKey::from_bytes(key.secret());
    if (key.vni() != vni || key.slot() == network::kRelaySlot || !secret.has_value()) continue;
    view.own.push_back({key.slot(), secret->public_key(), key.since_ms()});
  }
  return view;
}

Status MeshKeeper::apply(const MeshNeeds& needs, const pb::LocalMesh& mesh,
                         const std::vector<network::WireGuardDevice>& access) {
  wishes_ = TRY(mesh_wishes(needs, mesh, keys_, options_));
  access_ = access;
  self_ = mesh.self();
  std::erase_if(rotations_, [&](const auto& entry) { return entry.first != 0 && !wishes_.contains(entry.first); });
  for (auto& [vni, wish] : wishes_) {
    for (const auto& [node, path] : rotations_[vni].paths) wish.send_slot[node] = path.own_slot;
  }
  return apply_wishes();
}

Status MeshKeeper::apply_wishes() {
  std::vector<network::MeshWish> wishes;
  for (const auto& [vni, wish] : wishes_) wishes.push_back(wish);
  auto applied = machine_.apply(wishes, access_);
  return applied.has_value() ? Status() : Status(applied.error().with_context("encrypted ways"));
}

Result<bool> MeshKeeper::tend() {
  if (!machine_.is_alive()) {
    if (!std::exchange(is_dead_, true)) log::warning("node", "a WireGuard device has died; it is made again");
    TRY(apply_wishes());
  }
  is_dead_ = false;
  std::vector<network::ActualDevice> devices = TRY(machine_.read());
  {
    std::lock_guard lock(mutex_);
    devices_ = std::move(devices);
  }
  bool has_changed = TRY(rotate_all());
  publish();
  return has_changed;
}

Result<bool> MeshKeeper::rotate_all() {
  is_asked_ = !options_.ask_file.empty() && io::exists(options_.ask_file);
  is_answered_ = false;
  bool has_changed = false;
  for (const auto& [vni, wish] : wishes_) {
    bool is_other = TRY(rotate(vni, wish));
    has_changed = has_changed || is_other;
  }
  if (is_answered_) TRY(io::remove_tree(options_.ask_file));
  return has_changed;
}

std::vector<network::WireGuardKey> MeshKeeper::on_ledger(uint32_t vni) const {
  std::vector<network::WireGuardKey> keys;
  for (const pb::MeshKey& key : self_.mesh_keys()) {
    auto known = network::WireGuardKey::from_bytes(key.key());
    if (key.vni() == vni && key.slot() != network::kRelaySlot && known.has_value()) keys.push_back(*known);
  }
  return keys;
}

Result<bool> MeshKeeper::rotate(uint32_t vni, const network::MeshWish& wish) {
  Rotation& rotation = rotations_[vni];
  network::RotationView view = view_of(vni, wish.peers);
  view.devices = devices();
  network::RotationAdvice advice = network::advise(options_.rotation, view, rotation.memory);
  is_answered_ = is_answered_ || (is_asked_ && advice.make_slot);
  view.told = advice.publish;
  auto paths = network::choose_paths(view, rotation.paths);
  bool has_changed = paths != rotation.paths || advice.make_slot || advice.drop_slot;
  TRY(change_keys(vni, advice));
  rotation.paths = std::move(paths);
  rotation.memory = advice.memory;
  rotation.published = advice.publish;
  return has_changed;
}

Status MeshKeeper::change_keys(uint32_t vni, const network::RotationAdvice& advice) {
  if (advice.make_slot) {
    log::info("node", "a new key of the mesh", {{"vni", std::to_string(vni)}, {"slot", std::to_string(*advice.make_slot)}});
    TRY(keys_.ensure(vni, *advice.make_slot, clock_.wall_ms()));
  }
  if (advice.drop_slot) {
    log::info("node", "an old key of the mesh goes", {{"vni", std::to_string(vni)}, {"slot", std::to_string(*advice.drop_slot)}});
    TRY(keys_.drop(vni, *advice.drop_slot));
  }
  return {};
}

std::map<network::WireGuardKey, NodeId> MeshKeeper::key_owners() const {
  std::map<network::WireGuardKey, NodeId> owners;
  for (const auto& [vni, wish] : wishes_) {
    for (const auto* nodes : {&wish.peers, &wish.relays, &wish.relay_users}) {
      for (const network::MeshNode& node : *nodes) {
        for (const network::MeshKey& key : node.keys) owners[key.key] = node.id;
      }
    }
  }
  return owners;
}

std::map<uint32_t, uint32_t> MeshKeeper::peer_slots(uint32_t vni) const {
  std::map<uint32_t, uint32_t> slots;
  auto rotation = rotations_.find(vni);
  if (rotation == rotations_.end()) return slots;
  for (const auto& [peer, number] : rotation->second.numbers) {
    auto path = rotation->second.paths.find(peer);
    if (path != rotation->second.paths.end()) slots[number] = path->second.peer_slot;
  }
  return slots;
}

namespace {

Result<network::MeshWish> wish_of(uint32_t vni, const MeshNeeds& needs, const pb::LocalMesh& mesh, const MeshKeys& keys) {
  network::MeshWish wish;
  wish.self = TRY(mesh_node(mesh.self(), vni));
  wish.self.keys.clear();
  wish.own_keys = keys.of(vni);
  for (const network::OwnKey& own : wish.own_keys) wish.self.keys.push_back({own.slot, own.key, own.port});
  wish.peers = TRY(peers_in(needs, vni));
  for (const pb::Node& relay : mesh.relays()) wish.relays.push_back(TRY(mesh_node(relay, 0)));
  wish.netns = netns_of(vni);
  wish.device_prefix = device_prefix_of(vni);
  if (vni != 0) return wish;
  for (const pb::Node& guest : mesh.guests()) wish.relay_users.push_back(TRY(mesh_node(guest, 0)));
  for (uint32_t dedicated : needs.dedicated()) {
    std::vector<network::MeshNode> peers = TRY(peers_in(needs, dedicated));
    wish.others_met.insert(wish.others_met.end(), peers.begin(), peers.end());
  }
  return wish;
}

}  // namespace

Result<std::map<uint32_t, network::MeshWish>> mesh_wishes(const MeshNeeds& needs, const pb::LocalMesh& mesh, const MeshKeys& keys,
                                                   const MeshKeeper::Options& options) {
  if (!mesh.has_self()) return std::map<uint32_t, network::MeshWish>();
  std::vector<uint32_t> vnis = needs.dedicated();
  if (needs.is_meshed) vnis.insert(vnis.begin(), 0);
  std::map<uint32_t, network::MeshWish> wishes;
  for (uint32_t vni : vnis) {
    network::MeshWish wish = TRY(wish_of(vni, needs, mesh, keys));
    if (wish.self.number == 0) continue;  // the ledger has not numbered us yet: it does with our first keys
    wish.mesh_secret = options.mesh_secret;
    wish.underlay_mtu = options.underlay_mtu;
    wishes.insert_or_assign(vni, std::move(wish));
  }
  return wishes;
}

}  // namespace mcloud::node
