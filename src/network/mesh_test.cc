#include "network/mesh.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

const Bytes kSecret(32, 's');
const Hash kSecretId = Hash::from_bytes(Bytes(32, 'i')).value();

struct Node {
  MeshNode node;
  std::vector<OwnKey> own;
};

WireGuardKey some_key(testing::SimulatedRandom& random) { return WireGuardKey::from_bytes(random.bytes(32)).value(); }

void give_key(Node& node, uint32_t slot, testing::SimulatedRandom& random) {
  WireGuardKey secret = some_key(random);
  WireGuardKey key = some_key(random);  // nothing here depends on which it is
  uint16_t port = static_cast<uint16_t>(kMeshPort + slot);
  node.own.push_back({slot, secret, key, port});
  node.node.keys.push_back({slot, key, port});
}

Node make_node(uint32_t number, testing::SimulatedRandom& random) {
  Node out;
  out.node.id = NodeId::from_bytes(random.bytes(32)).value();
  out.node.number = number;
  out.node.farm = "farm" + std::to_string(random.below(3));
  if (random.chance(60)) out.node.backplane = "10.1.0." + std::to_string(number);
  if (random.chance(80)) out.node.endpoints = {random.chance(50) ? "192.0.2." + std::to_string(number) : "2001:db8::" + std::to_string(number)};
  out.node.is_hidden = random.chance(40);
  if (random.chance(70)) out.node.mesh_secret_id = kSecretId;
  uint32_t first = static_cast<uint32_t>(random.below(2));
  give_key(out, first, random);
  if (random.chance(30)) give_key(out, 1 - first, random);
  give_key(out, 2, random);
  return out;
}

struct Ledger {
  std::vector<Node> nodes;
  std::vector<MeshNode> relays;
  std::vector<MeshNode> users;

  MeshWish wish(size_t of) const {
    MeshWish out;
    out.self = nodes[of].node;
    out.own_keys = nodes[of].own;
    out.mesh_secret = kSecret;
    out.relays = relays;
    for (const Node& node : nodes) out.peers.push_back(node.node);
    out.relay_users = users;
    return out;
  }
};

Ledger make_ledger(uint64_t seed, uint32_t count) {
  testing::SimulatedRandom random(seed);
  Ledger out;
  for (uint32_t number = 1; number <= count; ++number) out.nodes.push_back(make_node(number, random));
  for (const Node& node : out.nodes) {
    if (!node.node.is_hidden && random.chance(40)) out.relays.push_back(node.node);
    if (node.node.is_hidden) out.users.push_back(node.node);
  }
  return out;
}

std::map<WireGuardKey, std::pair<size_t, uint32_t>> owners(const Ledger& ledger) {
  std::map<WireGuardKey, std::pair<size_t, uint32_t>> out;
  for (size_t i = 0; i < ledger.nodes.size(); ++i) {
    for (const OwnKey& own : ledger.nodes[i].own) out[own.key] = {i, own.slot};
  }
  return out;
}

const WireGuardDevice* device_of_slot(const std::vector<WireGuardDevice>& devices, uint32_t slot) {
  std::string name = slot == kRelaySlot ? kRelayDevice : "mwg" + std::to_string(slot);
  auto found = std::find_if(devices.begin(), devices.end(), [&](const auto& device) { return device.name == name; });
  return found == devices.end() ? nullptr : &*found;
}

const WireGuardPeer* peer_of(const WireGuardDevice& device, const WireGuardKey& key) {
  auto found = std::find_if(device.peers.begin(), device.peers.end(), [&](const auto& peer) { return peer.key == key; });
  return found == device.peers.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("mesh addresses follow from the node's number and do not meet those of transit links") {
  CHECK_EQ(mesh_address(1, 0).text(), "198.18.0.4");
  CHECK_EQ(mesh_address(16'383, 2).text(), "198.18.255.254");
}

TEST_CASE("a tunnel has two ends that agree, each with the other's address alone") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Ledger ledger = make_ledger(seed, 12);
    auto owner = owners(ledger);
    std::vector<std::vector<WireGuardDevice>> plans;
    for (size_t i = 0; i < ledger.nodes.size(); ++i) plans.push_back(plan_mesh(ledger.wish(i)));
    size_t tunnels = 0;
    for (size_t i = 0; i < plans.size(); ++i) {
      for (const OwnKey& own : ledger.nodes[i].own) {
        const WireGuardDevice* device = own.slot < 2 ? device_of_slot(plans[i], own.slot) : nullptr;
        if (device == nullptr) continue;
        for (const WireGuardPeer& peer : device->peers) {
          auto [other, slot] = owner.at(peer.key);
          const WireGuardDevice* back = device_of_slot(plans[other], slot);
          REQUIRE(back != nullptr);
          const WireGuardPeer* self = peer_of(*back, own.key);
          REQUIRE(self != nullptr);
          CHECK_EQ(peer.allowed, back->addresses);
          CHECK_EQ(self->allowed, device->addresses);
          CHECK_EQ(peer.preshared, self->preshared);
          CHECK_EQ(peer.preshared.is_none(), ledger.nodes[i].node.mesh_secret_id.is_none() ||
                                                 ledger.nodes[other].node.mesh_secret_id.is_none());
          // Somebody calls, unless both are hidden from each other and no relay is there.
          bool somebody = !peer.endpoint.empty() || !self->endpoint.empty();
          CHECK((somebody || ledger.relays.empty() || relay_of(ledger.nodes[i].node.id, ledger.nodes[other].node.id, ledger.relays) == nullptr));
          if (somebody && peer.endpoint.empty()) CHECK_EQ(self->keepalive_s, kKeepaliveS);
          ++tunnels;
        }
      }
    }
    CHECK_GT(tunnels, 100);
  }
}

TEST_CASE("no two peers of a device share an address, and each goes out through one device only") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Ledger ledger = make_ledger(seed, 12);
    for (size_t i = 0; i < ledger.nodes.size(); ++i) {
      std::set<std::string> routed;
      for (const WireGuardDevice& device : plan_mesh(ledger.wish(i))) {
        std::set<std::string> ranges;
        CHECK(std::is_sorted(device.peers.begin(), device.peers.end(), [](const auto& a, const auto& b) { return a.key < b.key; }));
        for (const WireGuardPeer& peer : device.peers) {
          for (const std::string& range : peer.allowed) {
            CHECK(ranges.insert(range).second);
            if (peer.is_routed) CHECK(routed.insert(device.netns + range).second);
          }
        }
      }
    }
  }
}

TEST_CASE("hidden nodes meet at one relay that knows both, each with the other behind it") {
  size_t met = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Ledger ledger = make_ledger(seed, 14);
    for (size_t i = 0; i < ledger.nodes.size(); ++i) {
      for (size_t j = 0; j < ledger.nodes.size(); ++j) {
        const Node& one = ledger.nodes[i];
        const Node& other = ledger.nodes[j];
        const MeshNode* relay = relay_of(one.node.id, other.node.id, ledger.relays);
        CHECK_EQ(relay, relay_of(other.node.id, one.node.id, ledger.relays));
        bool share = one.node.farm == other.node.farm && !one.node.backplane.empty() && !other.node.backplane.empty();
        if (i == j || relay == nullptr || share || !one.node.is_hidden || !other.node.is_hidden) continue;
        ++met;
        auto plan = plan_mesh(ledger.wish(i));
        const WireGuardDevice* device = device_of_slot(plan, kRelaySlot);
        REQUIRE(device != nullptr);
        CHECK_EQ(device->netns, "");
        WireGuardKey relay_key = std::find_if(relay->keys.begin(), relay->keys.end(), [](const MeshKey& key) { return key.slot == 2; })->key;
        const WireGuardPeer* at = peer_of(*device, relay_key);
        REQUIRE(at != nullptr);
        CHECK_FALSE(at->endpoint.empty());
        std::string behind = mesh_address(other.node.number, 2).text();
        CHECK(std::count(at->allowed.begin(), at->allowed.end(), behind + "/32") == 1);
        for (const MeshKey& key : other.node.keys) {
          const WireGuardDevice* mesh = device_of_slot(plan, one.own[0].slot);
          if (key.slot < 2) CHECK_EQ(peer_of(*mesh, key.key)->endpoint, behind + ":" + std::to_string(key.port));
        }
        size_t relay_index = 0;
        while (ledger.nodes[relay_index].node.id != relay->id) ++relay_index;
        auto relay_plan = plan_mesh(ledger.wish(relay_index));
        const WireGuardDevice* middle = device_of_slot(relay_plan, kRelaySlot);
        REQUIRE(middle != nullptr);
        for (const OwnKey& own : one.own) {
          if (own.slot == 2) CHECK(peer_of(*middle, own.key) != nullptr);
        }
      }
    }
  }
  CHECK_GT(met, 50);
}

TEST_CASE("the way to a relay leads there before a tunnel calls through it") {
  size_t met = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Ledger ledger = make_ledger(seed, 14);
    for (size_t i = 0; i < ledger.nodes.size(); ++i) {
      bool is_led = false;
      for (const WireGuardStep& step : wireguard_steps(plan_mesh(ledger.wish(i)), {}, {})) {
        const auto* route = std::get_if<SetRoutes>(&step);
        is_led = is_led || (route != nullptr && route->name == kRelayDevice);
        const auto* set = std::get_if<SetPeers>(&step);
        if (set == nullptr || set->name == kRelayDevice) continue;
        for (const WireGuardPeer& peer : set->peers) {
          if (!peer.endpoint.starts_with("198.18.")) continue;
          ++met;
          CHECK(is_led);
        }
      }
    }
  }
  CHECK_GT(met, 50);
}

TEST_CASE("a member more changes the steps of its peers alone, by its own tunnels") {
  Ledger before = make_ledger(7, 40);
  Ledger after = before;
  testing::SimulatedRandom random(99);
  after.nodes.push_back(make_node(41, random));
  after.nodes.back().node.is_hidden = false;
  auto as_actual = [](const std::vector<WireGuardDevice>& devices) {
    std::vector<ActualDevice> out;
    for (const WireGuardDevice& device : devices) out.push_back({device, routes_of(device), {}, false});
    return out;
  };
  for (size_t i = 0; i < before.nodes.size(); ++i) {
    auto was = plan_mesh(before.wish(i));
    auto is = plan_mesh(after.wish(i));
    size_t mesh_devices = 0;
    for (const WireGuardDevice& device : was) mesh_devices += device.netns == kMeshNetns;
    size_t peers = 0;
    for (const WireGuardStep& step : wireguard_steps(is, was, as_actual(was))) {
      bool adds = std::holds_alternative<SetPeers>(step) || std::holds_alternative<SetRoutes>(step);
      CHECK(adds);
      if (const auto* set = std::get_if<SetPeers>(&step)) peers += set->peers.size();
    }
    CHECK_EQ(peers, mesh_devices * (after.nodes.back().own.size() - 1));
    // Who does not share a network with it has the wish of before.
    CHECK(plan_mesh(before.wish(i)) == was);
  }
}

TEST_CASE("a node is called at its first address of a family that the caller has too") {
  testing::SimulatedRandom random(4);
  Ledger ledger;
  for (uint32_t number : {1u, 2u}) ledger.nodes.push_back(make_node(number, random));
  for (Node& node : ledger.nodes) {
    node.node.backplane.clear();
    node.node.is_hidden = false;
  }
  ledger.nodes[1].node.endpoints = {"2001:db8::2", "192.0.2.2"};
  auto called = [&](std::vector<std::string> own) {
    ledger.nodes[0].node.endpoints = std::move(own);
    auto plan = plan_mesh(ledger.wish(0));
    return peer_of(*device_of_slot(plan, ledger.nodes[0].own[0].slot), ledger.nodes[1].own[0].key)->endpoint.substr(0, 9);
  };
  CHECK_EQ(called({"192.0.2.1"}), "192.0.2.2");
  CHECK_EQ(called({"192.0.2.1", "2001:db8::1"}), "[2001:db8");
  CHECK_EQ(called({}), "[2001:db8");
}

TEST_CASE("the preshared key is the same for both ends and another for each pair") {
  testing::SimulatedRandom random(1);
  WireGuardKey a = some_key(random), b = some_key(random), c = some_key(random);
  CHECK_EQ(preshared_key(kSecret, a, b), preshared_key(kSecret, b, a));
  CHECK_NE(preshared_key(kSecret, a, b), preshared_key(kSecret, a, c));
  CHECK_NE(preshared_key(kSecret, a, b), preshared_key(Bytes(32, 't'), a, b));
  CHECK(preshared_key("", a, b).is_none());
}

TEST_CASE("VXLAN goes to the newest slot, or to one that is asked for while it is there") {
  testing::SimulatedRandom random(1);
  Node node = make_node(5, random);
  node.node.keys = {{1, some_key(random), 1}, {0, some_key(random), 2}, {2, some_key(random), 3}};
  CHECK_EQ(newest_slot(node.node), 0);
  CHECK_EQ(vxlan_target(node.node), mesh_address(5, 0));
  CHECK_EQ(vxlan_target(node.node, 1), mesh_address(5, 1));
  node.node.keys = {{0, some_key(random), 2}};
  CHECK_EQ(vxlan_target(node.node, 1), mesh_address(5, 0));
}

TEST_CASE("nodes without number, key or place are left out, and nothing is planned for one without a number") {
  testing::SimulatedRandom random(3);
  Ledger ledger = make_ledger(3, 3);
  ledger.nodes[1].node.number = 0;
  ledger.nodes[2].node.keys.clear();
  auto plan = plan_mesh(ledger.wish(0));
  for (const WireGuardDevice& device : plan) CHECK((device.peers.empty() || device.name == kRelayDevice));
  CHECK(plan_mesh(ledger.wish(1)).empty());
  MeshWish dedicated = ledger.wish(0);
  dedicated.netns = "mcloud_net_7";
  dedicated.device_prefix = "mwgd";
  std::erase_if(dedicated.own_keys, [](const OwnKey& key) { return key.slot == 2; });
  plan = plan_mesh(dedicated);
  REQUIRE_FALSE(plan.empty());
  CHECK(plan[0].name.starts_with("mwgd"));
  CHECK_EQ(plan[0].netns, "mcloud_net_7");
}
