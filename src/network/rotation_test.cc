#include "network/rotation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr uint64_t kStepMs = 250;
constexpr uint64_t kLedgerLagMs = 8'000;

// What the ledger says of a node, from a moment on.
struct Published {
  uint64_t at_ms = 0;
  std::vector<MeshKey> keys;
};

struct SimNode {
  MeshNode self;
  std::vector<HeldKey> held;
  std::map<uint32_t, WireGuardKey> secrets;
  std::vector<ActualDevice> devices;
  std::map<NodeId, SendPath> paths;
  RotationMemory memory;
  std::vector<Published> history;  // on the ledger
  uint64_t next_poll_ms = 0;
  uint64_t lag_ms = 0;  // of what this node reads
  bool is_asked = false;
  bool is_away = false;  // does not poll, nor answer

  ActualDevice* device(uint32_t slot) {
    for (ActualDevice& one : devices) {
      if (one.device.name == "mwg" + std::to_string(slot)) return &one;
    }
    return nullptr;
  }
  bool has_peer(uint32_t slot, const WireGuardKey& key) {
    ActualDevice* one = device(slot);
    return one != nullptr && std::any_of(one->device.peers.begin(), one->device.peers.end(),
                                         [&](const WireGuardPeer& peer) { return peer.key == key; });
  }
  const HeldKey* key(uint32_t slot) const {
    for (const HeldKey& one : held) {
      if (one.slot == slot) return &one;
    }
    return nullptr;
  }
};

class Simulation {
 public:
  Simulation(uint64_t seed, size_t count) : random_(seed) {
    for (size_t i = 0; i < count; ++i) {
      SimNode node;
      node.self.id = NodeId::from_bytes(random_.bytes(32)).value();
      node.self.number = static_cast<uint32_t>(i + 1);
      node.self.endpoints = {"192.0.2." + std::to_string(i + 1)};
      node.lag_ms = random_.below(kLedgerLagMs);
      node.next_poll_ms = random_.below(1'000);
      make_key(node, 0);
      node.history.push_back({0, keys_of(node, {0})});
      nodes.push_back(std::move(node));
    }
    run(30'000, false);
  }

  void run(uint64_t for_ms, bool is_checked = true) {
    for (uint64_t end = now_ms + for_ms; now_ms < end; now_ms += kStepMs) {
      for (SimNode& node : nodes) {
        if (!node.is_away && node.next_poll_ms <= now_ms) poll(node);
      }
      shake_hands();
      if (is_checked) check_ways();
    }
  }

  std::vector<SimNode> nodes;
  uint64_t now_ms = 1'000'000;
  size_t made = 0;

 private:
  void make_key(SimNode& node, uint32_t slot) {
    WireGuardKey secret = WireGuardKey::make_secret();
    node.secrets[slot] = secret;
    node.held.push_back({slot, secret.public_key(), now_ms});
    ++made;
  }

  static std::vector<MeshKey> keys_of(const SimNode& node, const std::vector<uint32_t>& slots) {
    std::vector<MeshKey> out;
    for (uint32_t slot : slots) out.push_back({slot, node.key(slot)->key, static_cast<uint16_t>(kMeshPort + slot)});
    return out;
  }

  const std::vector<MeshKey>& read(const SimNode& of, const SimNode& by) const {
    const Published* out = &of.history.front();
    for (const Published& one : of.history) {
      if (one.at_ms + by.lag_ms <= now_ms) out = &one;
    }
    return out->keys;
  }

  RotationView view_of(const SimNode& node) const {
    RotationView view;
    view.wall_ms = view.steady_ms = now_ms;
    view.is_asked = node.is_asked;
    view.own = node.held;
    view.devices = node.devices;
    for (const MeshKey& key : read(node, node)) view.on_ledger.push_back(key.key);
    for (const SimNode& other : nodes) {
      if (&other == &node) continue;
      view.peers.push_back(other.self);
      view.peers.back().keys = read(other, node);
    }
    return view;
  }

  void poll(SimNode& node) {
    node.next_poll_ms = now_ms + 500 + random_.below(1'500);
    RotationPolicy policy;
    RotationView view = view_of(node);
    RotationAdvice advice = advise(policy, view, node.memory);
    node.memory = advice.memory;
    if (random_.below(500) == 0) node.memory = {};  // a restart
    if (advice.make_slot.has_value()) {
      make_key(node, *advice.make_slot);
      node.is_asked = false;
    }
    if (advice.drop_slot.has_value()) {
      std::erase_if(node.held, [&](const HeldKey& key) { return key.slot == *advice.drop_slot; });
    }
    if (!advice.publish.empty() && node.history.back().keys != keys_of(node, advice.publish)) {
      node.history.push_back({now_ms + random_.below(3'000), keys_of(node, advice.publish)});
    }
    view.own = node.held;
    node.paths = choose_paths(view, node.paths);
    set_devices(node, view);
  }

  void set_devices(SimNode& node, const RotationView& view) {
    MeshWish wish;
    wish.self = node.self;
    for (const HeldKey& held : node.held) {
      wish.own_keys.push_back({held.slot, node.secrets[held.slot], held.key, static_cast<uint16_t>(kMeshPort + held.slot)});
    }
    wish.peers = view.peers;
    for (const auto& [id, path] : node.paths) wish.send_slot[id] = path.own_slot;
    std::vector<ActualDevice> made_devices;
    for (const WireGuardDevice& wished : plan_mesh(wish)) {
      ActualDevice device{wished, {}, {}, true};
      for (const ActualDevice& old : node.devices) {
        if (old.device.secret == wished.secret) device.figures = old.figures;
      }
      made_devices.push_back(std::move(device));
    }
    node.devices = std::move(made_devices);
  }

  void shake_hands() {
    for (SimNode& one : nodes) {
      for (SimNode& other : nodes) {
        if (&one == &other || one.is_away || other.is_away) continue;
        for (const HeldKey& mine : one.held) {
          for (const HeldKey& theirs : other.held) {
            if (!one.has_peer(mine.slot, theirs.key) || !other.has_peer(theirs.slot, mine.key)) continue;
            PeerFigures& here = one.device(mine.slot)->figures[theirs.key];
            bool is_due = here.last_handshake_ms == 0 || now_ms - here.last_handshake_ms > 120'000;
            if (!is_due || random_.chance(70)) continue;
            here.last_handshake_ms = now_ms;
            other.device(theirs.slot)->figures[mine.key].last_handshake_ms = now_ms;
          }
        }
      }
    }
  }

  // A packet that leaves now arrives: the other end has that device, and takes packets of that key there.
  void check_ways() {
    for (SimNode& one : nodes) {
      for (SimNode& other : nodes) {
        if (&one == &other || one.is_away || other.is_away) continue;
        auto path = one.paths.find(other.self.id);
        REQUIRE(path != one.paths.end());
        const HeldKey* mine = one.key(path->second.own_slot);
        const HeldKey* theirs = other.key(path->second.peer_slot);
        REQUIRE(mine != nullptr);
        REQUIRE(theirs != nullptr);
        REQUIRE(one.has_peer(mine->slot, theirs->key));
        REQUIRE(other.has_peer(theirs->slot, mine->key));
      }
    }
  }

  testing::SimulatedRandom random_;
};

}  // namespace

TEST_CASE("a key is changed while packets pass at every moment") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Simulation simulation(seed, 3);
    WireGuardKey was = simulation.nodes[0].held[0].key;
    simulation.nodes[0].is_asked = true;
    simulation.run(300'000);
    REQUIRE_EQ(simulation.nodes[0].held.size(), 1);
    CHECK_NE(simulation.nodes[0].held[0].key, was);
    CHECK_EQ(simulation.nodes[0].held[0].slot, 1);
    CHECK_EQ(simulation.made, 4);
    for (size_t i = 1; i < 3; ++i) CHECK_EQ(simulation.nodes[i].paths[simulation.nodes[0].self.id], SendPath{0, 1});
  }
}

TEST_CASE("all nodes change their keys at once, twice, and packets pass at every moment") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Simulation simulation(seed, 4);
    for (int round = 1; round <= 2; ++round) {
      for (SimNode& node : simulation.nodes) node.is_asked = true;
      simulation.run(400'000);
      for (SimNode& node : simulation.nodes) {
        REQUIRE_EQ(node.held.size(), 1);
        CHECK_EQ(node.held[0].slot, static_cast<uint32_t>(round % 2));
      }
    }
    CHECK_EQ(simulation.made, 12);
  }
}

TEST_CASE("a peer that is away does not hold up a change for long, and finds the new key when it is back") {
  Simulation simulation(5, 3);
  simulation.nodes[2].is_away = true;
  simulation.run(400'000);
  simulation.nodes[0].is_asked = true;
  simulation.run(300'000);
  CHECK_EQ(simulation.nodes[0].held.size(), 1);
  simulation.nodes[2].is_away = false;
  simulation.run(60'000, false);
  simulation.run(60'000);
}

TEST_CASE("a change takes settle, linger and what the ledger takes; a peer that dies adds what its session lasts") {
  RotationPolicy policy;
  // Three times (made, both published, the new one alone) a round, a publication and the slowest reader; handshakes.
  constexpr uint64_t kLedgerMs = 3 * (2'000 + 3'000 + kLedgerLagMs) + 5'000;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (bool dies : {false, true}) {
      CAPTURE(seed);
      CAPTURE(dies);
      Simulation simulation(seed, 3);
      simulation.nodes[0].is_asked = true;
      simulation.nodes[2].is_away = dies;
      uint64_t asked_ms = simulation.now_ms;
      do {
        simulation.run(kStepMs);
      } while (simulation.now_ms < asked_ms + 600'000 &&
               (simulation.nodes[0].is_asked || simulation.nodes[0].held.size() > 1));
      CHECK_LT(simulation.now_ms - asked_ms, policy.settle_ms + policy.linger_ms + kLedgerMs + (dies ? 180'000 : 0));
    }
  }
}

TEST_CASE("a key of an age is changed by itself, and one of a clock that was set back is not") {
  RotationPolicy policy;
  RotationView view;
  view.own = {{0, WireGuardKey::make_secret(), 1'000}};
  view.on_ledger = {view.own[0].key};
  view.wall_ms = 1'000 + policy.age_max_ms - 1;
  CHECK_FALSE(advise(policy, view, {}).make_slot.has_value());
  view.wall_ms += 1;
  CHECK_EQ(advise(policy, view, {}).make_slot, 1u);
  view.wall_ms = 10;
  CHECK_FALSE(advise(policy, view, {}).make_slot.has_value());
  view.is_asked = true;
  view.on_ledger.clear();
  CHECK_FALSE(advise(policy, view, {}).make_slot.has_value());
  CHECK_EQ(advise(policy, view, {}).publish, std::vector<uint32_t>{0});
  view.own.clear();
  CHECK_EQ(advise(policy, view, {}).make_slot, 0u);
}

TEST_CASE("nobody is told of a key that has no device yet, and patience ends") {
  RotationPolicy policy;
  RotationView view;
  WireGuardKey old_secret = WireGuardKey::make_secret(), new_secret = WireGuardKey::make_secret();
  view.own = {{0, old_secret.public_key(), 0}, {1, new_secret.public_key(), 0}};
  view.on_ledger = {view.own[0].key};
  view.wall_ms = view.steady_ms = 1'000'000;
  CHECK_EQ(advise(policy, view, {}).publish, std::vector<uint32_t>{0});
  MeshNode peer{.number = 2};
  peer.id = NodeId::from_bytes(Bytes(32, 'p')).value();
  peer.keys = {{0, WireGuardKey::make_secret().public_key(), 1}};
  view.peers = {peer};
  view.devices.resize(2);
  view.devices[0].device = {.name = "mwg0", .netns = kMeshNetns, .secret = old_secret};
  view.devices[1].device = {.name = "mwg1", .netns = kMeshNetns, .secret = new_secret};
  CHECK_EQ(advise(policy, view, {}).publish, (std::vector<uint32_t>{0, 1}));
  // It is reached by the old key only.
  view.on_ledger.push_back(view.own[1].key);
  view.devices[0].figures[peer.keys[0].key].last_handshake_ms = view.wall_ms - 1'000;
  RotationAdvice advice = advise(policy, view, {});
  CHECK_EQ(advice.publish, (std::vector<uint32_t>{0, 1}));
  view.steady_ms += policy.patience_ms;
  CHECK_EQ(advise(policy, view, advice.memory).publish, std::vector<uint32_t>{1});
}
