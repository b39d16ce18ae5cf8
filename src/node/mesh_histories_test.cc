// Random histories of a mesh: contracts, nodes, relays and keys come and go, addresses change, agents start anew, and each
// node sees the ledger at a height of its own. MCLOUD_SEEDS and MCLOUD_FIRST_SEED run others than the usual ones.
#include <cstdlib>

#include "base/ip_prefix.h"
#include "node/test_mesh_world.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;
using network::ActualDevice;
using network::WireGuardPeer;

namespace {

constexpr uint64_t kStepMs = 500;
constexpr uint64_t kSessionMs = 120'000;  // after it a tunnel in use shakes hands anew

std::string contract_text(size_t number, bool is_dedicated, uint64_t replicas) {
  return "name: c" + std::to_string(number) + "\nworkloads:\n  net: {kind: network, range: 10.42.0.0/16" +
         (is_dedicated ? ", dedicated: true" : "") + "}\n  web: {kind: container, image: \"oci:./image\", replicas: " +
         std::to_string(replicas) + "}\n";
}

const WireGuardPeer* find_peer(const ActualDevice& device, const network::WireGuardKey& key) {
  auto found = std::find_if(device.device.peers.begin(), device.device.peers.end(), [&](const auto& peer) { return peer.key == key; });
  return found == device.device.peers.end() ? nullptr : &*found;
}

const ActualDevice* relay_device(const MeshNodeSim& node) {
  for (const ActualDevice& one : node.mesh.devices) {
    if (one.device.name == network::kRelayDevice) return &one;
  }
  return nullptr;
}

std::string netns_of(uint32_t vni) { return vni == 0 ? network::kMeshNetns : "mcloud_net_" + std::to_string(vni); }

bool leads_to(const WireGuardPeer& peer, const std::string& address) {
  return std::find(peer.allowed.begin(), peer.allowed.end(), address + "/32") != peer.allowed.end();
}

class MeshHistory {
 public:
  explicit MeshHistory(uint64_t seed) : random_(seed), is_calm_(seed % 2 == 0) {
    chain_.create_farm("ann", "home");
    size_t count = 4 + random_.below(3);
    for (size_t i = 0; i < count; ++i) join(i == 0 ? 0 : random_.below(4));
    for (int i = 0; i < 2; ++i) deploy();
    run(20'000, false);
  }

  // Everything happens.
  void live(uint64_t for_ms) { run(for_ms, true); }
  // Everybody is back and hears of everything; then all must agree.
  void settle() {
    for (auto& node : nodes_) come_back(*node);
    run(300'000, false);
    is_level_ = true;
    run(4'000, false);
    check_agreement();
  }

  size_t rotations = 0, pairs_checked = 0, relayed = 0;

 private:
  // ---- the ledger ------------------------------------------------------------------------------

  void keep_states() {
    auto state = std::make_shared<const ledger::MemoryState>(chain_.state());
    while (history_.states.size() <= chain_.height()) history_.states.push_back(state);
  }
  uint64_t block_step() { return std::max<uint64_t>(1, clock_.now_ms - std::exchange(last_block_ms_, clock_.now_ms)); }
  ledger::TransactionResult send(std::string_view sender, const ledger::TestChain::Fill& fill) {
    auto result = chain_.run(sender, fill, block_step());
    chain_.settle();
    keep_states();
    return result;
  }

  void join(uint64_t kind) {
    std::string name = "n" + std::to_string(nodes_.size() + 1);
    pb::NodeAddresses addresses;
    if (kind == 0 || kind == 3) addresses.set_backplane("10.251.0." + std::to_string(nodes_.size() + 1));
    if (kind != 3) addresses.set_uplink(next_uplink());
    addresses.set_hidden(kind == 1);
    addresses.set_relay(kind == 0 || (kind == 2 && random_.chance(50)));
    pb::AdmitNode admission = chain_.make_admission("ann", "home", name);
    *admission.mutable_addresses() = addresses;
    REQUIRE(send(name, [&](pb::Transaction& transaction) { *transaction.mutable_admit_node() = admission; }).ok);
    REQUIRE(io::make_folders(folder_ / name).has_value());
    nodes_.push_back(std::make_unique<MeshNodeSim>(name, addresses, history_, clock_, folder_ / name));
    nodes_.back()->read(chain_.height());
  }
  std::string next_uplink() { return "192.0.2." + std::to_string(++uplinks_ % 250 + 1); }

  void deploy() {
    if (contracts_.size() >= 3) return;
    ++deployed_;
    Sample sample = make(contract_text(deployed_, random_.chance(30), 2 + random_.below(3)),
                         {.nonce = static_cast<int>(deployed_ % 100), .now_ms = chain_.now()});
    history_.blobs[crypto::blake2b(sample.compiled.body_bytes)] = sample.compiled.body_bytes;
    REQUIRE(send("ann", [&](pb::Transaction& transaction) {
              transaction.mutable_submit_contract()->set_header(sample.compiled.header_bytes);
            }).ok);
    REQUIRE(send("ann", [&](pb::Transaction& transaction) {
              pb::Approve& approve = *transaction.mutable_approve();
              approve.set_contract(sample.id.bytes());
              approve.set_version(1);
              approve.set_header_hash(contract::header_hash(sample.compiled.header_bytes).bytes());
              approve.set_signature(decision(sample, kOwner).signature());
            }).ok);
    contracts_.push_back(sample.id);
  }
  void cancel() {
    if (contracts_.empty()) return;
    ContractId id = contracts_[random_.below(contracts_.size())];
    std::erase(contracts_, id);
    send("ann", [&](pb::Transaction& transaction) { transaction.mutable_cancel_contract()->set_contract(id.bytes()); });
  }

  // ---- what happens ----------------------------------------------------------------------------

  void go_away(MeshNodeSim& node) {
    size_t away = static_cast<size_t>(std::count_if(nodes_.begin(), nodes_.end(), [](const auto& one) { return one->is_away; }));
    if (away > 0 || node.is_away) return;
    node.is_away = true;
    pb::Node record = chain_.node(node.name);
    send("validator0", [&](pb::Transaction& transaction) {
      transaction.mutable_suspect()->set_node(record.key());
      transaction.mutable_suspect()->set_node_epoch(record.epoch());
    });
  }
  void come_back(MeshNodeSim& node) {
    if (!std::exchange(node.is_away, false)) return;
    node.start();
    node.read(chain_.height());
    pb::Node record = chain_.node(node.name);
    if (record.state() != pb::NODE_FENCED) return;
    send(node.name, [&](pb::Transaction& transaction) {
      pb::RejoinNode& rejoin = *transaction.mutable_rejoin_node();
      rejoin.set_node_epoch(record.epoch());
      *rejoin.mutable_capacity() = record.capacity();
      *rejoin.mutable_addresses() = node.addresses;
    });
  }

  void happen() {
    MeshNodeSim& node = *nodes_[random_.below(nodes_.size())];
    switch (random_.below(is_calm_ ? 5 : 9)) {
      case 0: return deploy();
      case 1: return cancel();
      case 2:
      case 3: ++rotations; return node.ask_for_keys();
      case 4: return node.is_away ? void() : node.start();
      case 5: return go_away(node);
      case 6: return come_back(node);
      case 7: return nodes_.size() < 7 ? join(random_.below(4)) : void();
      default:
        if (!node.addresses.uplink().empty()) node.addresses.set_uplink(next_uplink());
    }
  }

  void act(MeshNodeSim& node) {
    node.next_ms = clock_.now_ms + 500 + random_.below(1'500);
    uint64_t newest = chain_.height();
    bool is_late = !is_level_ && random_.chance(40);
    node.read(is_late ? node.height() + random_.below(newest - node.height() + 1) : newest);
    node.tend();
    auto keys = node.wants_to_publish();
    if (!keys || node.next_publish_ms > clock_.now_ms) return;
    node.next_publish_ms = clock_.now_ms + 1'000;
    send(node.name, [&](pb::Transaction& transaction) { *transaction.mutable_publish_keys() = *keys; });
  }

  void run(uint64_t for_ms, bool is_wild) {
    for (uint64_t end = clock_.now_ms + for_ms; clock_.now_ms < end; clock_.now_ms += kStepMs) {
      if (is_wild && random_.chance(8)) happen();
      if (clock_.now_ms - last_block_ms_ > 5'000) {
        chain_.pass(block_step());
        chain_.settle();
        keep_states();
      }
      for (auto& node : nodes_) {
        if (!node->is_away && (is_level_ || node->next_ms <= clock_.now_ms)) act(*node);
      }
      shake_hands();
      check_ways();
    }
  }

  // ---- tunnels ---------------------------------------------------------------------------------

  template <typename Take>
  void each_tunnel(MeshNodeSim& one, MeshNodeSim& other, Take&& take) {
    for (ActualDevice& mine : one.mesh.devices) {
      for (ActualDevice& theirs : other.mesh.devices) {
        if (mine.device.netns != theirs.device.netns || mine.device.netns.empty()) continue;
        const WireGuardPeer* there = find_peer(mine, theirs.device.secret.public_key());
        const WireGuardPeer* back = find_peer(theirs, mine.device.secret.public_key());
        if (there != nullptr && back != nullptr) take(mine, theirs, *there, *back);
      }
    }
  }

  static bool is_at(const MeshNodeSim& node, const MeshNodeSim& caller, const std::string& address) {
    if (!node.addresses.backplane().empty() && address == node.addresses.backplane()) return !caller.addresses.backplane().empty();
    return !node.addresses.hidden() && address == node.addresses.uplink();
  }

  // Packets to that relay address reach their node: through a relay that both call and that knows both.
  bool meets(const MeshNodeSim& one, const MeshNodeSim& other, const std::string& address) const {
    const ActualDevice* mine = relay_device(one);
    const ActualDevice* theirs = relay_device(other);
    if (mine == nullptr || theirs == nullptr) return false;
    for (const auto& relay : nodes_) {
      const ActualDevice* middle = relay->is_away ? nullptr : relay_device(*relay);
      if (middle == nullptr || relay.get() == &one || relay.get() == &other) continue;
      const WireGuardPeer* up = find_peer(*mine, middle->device.secret.public_key());
      const WireGuardPeer* down = find_peer(*middle, theirs->device.secret.public_key());
      bool is_led = up != nullptr && down != nullptr && leads_to(*up, address) && leads_to(*down, address);
      if (is_led && calls(one, *relay) && calls(other, *relay)) return true;
    }
    return false;
  }
  static bool calls(const MeshNodeSim& user, const MeshNodeSim& relay) {
    const ActualDevice* mine = relay_device(user);
    const ActualDevice* middle = relay_device(relay);
    const WireGuardPeer* up = find_peer(*mine, middle->device.secret.public_key());
    if (up == nullptr || find_peer(*middle, mine->device.secret.public_key()) == nullptr || up->endpoint.empty()) return false;
    return is_at(relay, user, IpEndpoint::parse(up->endpoint).value().address.text());
  }

  bool reaches(const MeshNodeSim& one, const MeshNodeSim& other, const WireGuardPeer& peer) const {
    if (peer.endpoint.empty()) return false;
    std::string address = IpEndpoint::parse(peer.endpoint).value().address.text();
    return address.starts_with("198.18.") ? meets(one, other, address) : is_at(other, one, address);
  }

  void shake_hands() {
    uint64_t wall = clock_.wall_ms();
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        MeshNodeSim &one = *nodes_[i], &other = *nodes_[j];
        if (one.is_away || other.is_away) continue;
        each_tunnel(one, other, [&](ActualDevice& mine, ActualDevice& theirs, const WireGuardPeer& there, const WireGuardPeer& back) {
          network::PeerFigures& here = mine.figures[there.key];
          bool is_due = here.last_handshake_ms == 0 || wall - here.last_handshake_ms > kSessionMs;
          if (!is_due || random_.chance(60) || (!reaches(one, other, there) && !reaches(other, one, back))) return;
          here.last_handshake_ms = theirs.figures[back.key].last_handshake_ms = wall;
        });
      }
    }
  }

  // A frame that leaves now comes by a tunnel that both ends have, to a device that takes it.
  bool arrives(const MeshNodeSim& from, const MeshNodeSim& to, uint32_t vni) const {
    auto target = from.targets.find({vni, to.record.number()});
    if (target == from.targets.end()) return false;
    for (const ActualDevice& device : from.mesh.devices) {
      if (device.device.netns != netns_of(vni)) continue;
      for (const WireGuardPeer& peer : device.device.peers) {
        if (!peer.is_routed || !leads_to(peer, target->second.text())) continue;
        for (const ActualDevice& there : to.mesh.devices) {
          bool is_it = there.device.netns == netns_of(vni) && there.device.secret.public_key() == peer.key &&
                       there.device.addresses == std::vector<std::string>{target->second.text() + "/32"};
          const WireGuardPeer* back = is_it ? find_peer(there, device.device.secret.public_key()) : nullptr;
          if (back != nullptr) return back->preshared == peer.preshared;
        }
        return false;
      }
    }
    return false;
  }

  // What has been linked stays linked, at every moment, while both stand in one network.
  void check_ways() {
    std::set<std::tuple<size_t, size_t, uint32_t>> linked;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (size_t j = 0; j < nodes_.size(); ++j) {
        const MeshNodeSim &one = *nodes_[i], &other = *nodes_[j];
        if (i == j || one.is_away || other.is_away) continue;
        for (uint32_t vni : one.networks()) {
          if (!one.peers(vni).contains(other.id()) || !other.peers(vni).contains(one.id())) continue;
          bool is_there = arrives(one, other, vni);
          INFO(one.name << " to " << other.name << " in " << vni << " at " << clock_.now_ms);
          if (linked_.contains({i, j, vni})) REQUIRE(is_there);
          if (is_there) linked.insert({i, j, vni});
        }
      }
    }
    linked_ = std::move(linked);
  }

  // ---- at one height ---------------------------------------------------------------------------

  void check_agreement() {
    for (auto& one : nodes_) {
      for (auto& other : nodes_) {
        std::set<uint32_t> vnis = one->networks();
        if (one == other) continue;
        for (uint32_t vni : vnis) {
          INFO(one->name << " and " << other->name << " in " << vni);
          REQUIRE_EQ(one->peers(vni).contains(other->id()), other->peers(vni).contains(one->id()));
          if (one->peers(vni).contains(other->id())) check_pair(*one, *other, vni);
        }
        check_strangers(*one, *other);
      }
    }
  }

  void check_pair(MeshNodeSim& one, MeshNodeSim& other, uint32_t vni) {
    size_t tunnels = 0, open = 0;
    each_tunnel(one, other, [&](ActualDevice& mine, ActualDevice&, const WireGuardPeer& there, const WireGuardPeer& back) {
      if (mine.device.netns != netns_of(vni)) return;
      ++tunnels;
      bool is_open = reaches(one, other, there) || reaches(other, one, back);
      open += is_open;
      bool is_relayed = there.endpoint.starts_with("198.18.");
      relayed += is_relayed;
      if (is_relayed) CHECK(back.endpoint.starts_with("198.18."));
      CHECK_EQ(there.preshared, back.preshared);
      CHECK_GT(mine.figures[there.key].last_handshake_ms, 0);
    });
    auto keys = [&](const MeshNodeSim& node) {
      return std::count_if(node.mesh.devices.begin(), node.mesh.devices.end(),
                           [&](const ActualDevice& device) { return device.device.netns == netns_of(vni); });
    };
    CHECK_EQ(tunnels, static_cast<size_t>(keys(one) * keys(other)));
    CHECK_EQ(open, tunnels);
    CHECK(arrives(one, other, vni));
    ++pairs_checked;
  }

  // Nobody has a tunnel to whom it shares no network with.
  static void check_strangers(MeshNodeSim& one, const MeshNodeSim& other) {
    for (const ActualDevice& mine : one.mesh.devices) {
      for (const ActualDevice& theirs : other.mesh.devices) {
        if (mine.device.netns.empty() || find_peer(mine, theirs.device.secret.public_key()) == nullptr) continue;
        uint32_t vni = mine.device.netns == network::kMeshNetns ? 0 : static_cast<uint32_t>(std::stoul(mine.device.netns.substr(11)));
        CHECK(one.peers(vni).contains(other.id()));
      }
    }
  }

  testing::SimulatedRandom random_;
  const bool is_calm_;  // no node and no address goes
  testing::TemporaryFolder folder_;
  MeshClock clock_;
  ledger::TestChain chain_;
  History history_;
  std::vector<std::unique_ptr<MeshNodeSim>> nodes_;
  std::vector<ContractId> contracts_;
  std::set<std::tuple<size_t, size_t, uint32_t>> linked_;
  uint64_t last_block_ms_ = 0;
  size_t deployed_ = 0, uplinks_ = 0;
  bool is_level_ = false;
};

uint64_t number_of(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("whatever happened, nodes that share a network agree on their tunnels, and no change of keys leaves them without") {
  uint64_t first = number_of("MCLOUD_FIRST_SEED", 1);
  uint64_t count = number_of("MCLOUD_SEEDS", 20);
  size_t rotations = 0, pairs = 0, relayed = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    CAPTURE(seed);
    MeshHistory history(seed);
    history.live(150'000);
    history.settle();
    rotations += history.rotations;
    pairs += history.pairs_checked;
    relayed += history.relayed;
  }
  MESSAGE(count << " histories: " << rotations << " changes of keys asked for, " << pairs << " pairs, " << relayed << " by relays");
  CHECK_GT(pairs, count);
}
