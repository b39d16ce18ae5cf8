#include "network/wireguard.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

using Spot = std::pair<std::string, std::string>;

Spot spot(const WireGuardDevice& device) { return {device.netns, device.name}; }

WireGuardKey number_key(uint64_t number) {
  WireGuardKey out;
  for (int i = 0; i < 8; ++i) out.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(number >> (8 * (7 - i)));
  out.bytes[31] = 1;
  return out;
}

// Devices as the kernel would have them after steps.
struct World {
  std::map<Spot, ActualDevice> devices;
  std::map<std::pair<std::string, DeviceRoute>, std::string> routes;  // netns, route -> device

  std::vector<ActualDevice> actual() const {
    std::vector<ActualDevice> out;
    for (auto [where, device] : devices) {
      for (const auto& [route, name] : routes) {
        if (route.first == where.first && name == where.second) device.routes.insert(route.second);
      }
      out.push_back(std::move(device));
    }
    return out;
  }

  WireGuardDevice& get(const std::string& netns, const std::string& name) {
    auto found = devices.find({netns, name});
    REQUIRE(found != devices.end());
    return found->second.device;
  }
  WireGuardPeer* find(WireGuardDevice& device, const WireGuardKey& key) {
    for (WireGuardPeer& peer : device.peers) {
      if (peer.key == key) return &peer;
    }
    return nullptr;
  }

  void operator()(const CreateDevice& step) {
    CHECK_FALSE(devices.contains(spot(step.device)));
    CHECK(step.device.peers.empty());
    devices[spot(step.device)].device = step.device;
  }
  void operator()(const RemoveDevice& step) {
    CHECK_EQ(devices.erase({step.netns, step.name}), 1);
    std::erase_if(routes, [&](const auto& one) { return one.first.first == step.netns && one.second == step.name; });
  }
  void operator()(const SetDevice& step) {
    WireGuardDevice& device = get(step.device.netns, step.device.name);
    auto peers = std::move(device.peers);
    device = step.device;
    device.peers = std::move(peers);
  }
  void operator()(const DropRanges& step) {
    for (WireGuardPeer& peer : get(step.netns, step.name).peers) {
      std::erase_if(peer.allowed, [&](const std::string& range) {
        return std::find(step.ranges.begin(), step.ranges.end(), range) != step.ranges.end();
      });
    }
  }
  void operator()(const SetPeers& step) {
    WireGuardDevice& device = get(step.netns, step.name);
    for (const WireGuardPeer& change : step.peers) {
      if (find(device, change.key) == nullptr) device.peers.push_back({.key = change.key});
      for (const std::string& range : change.allowed) {
        for (WireGuardPeer& other : device.peers) std::erase(other.allowed, range);
      }
      WireGuardPeer& peer = *find(device, change.key);
      peer.preshared = change.preshared;
      peer.keepalive_s = change.keepalive_s;
      if (!change.endpoint.empty()) peer.endpoint = change.endpoint;
      peer.allowed.insert(peer.allowed.end(), change.allowed.begin(), change.allowed.end());
      std::sort(peer.allowed.begin(), peer.allowed.end());
    }
    std::sort(device.peers.begin(), device.peers.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  }
  void operator()(const RemovePeers& step) {
    WireGuardDevice& device = get(step.netns, step.name);
    for (const WireGuardKey& key : step.keys) {
      CHECK(find(device, key) != nullptr);
      std::erase_if(device.peers, [&](const WireGuardPeer& peer) { return peer.key == key; });
    }
  }
  void operator()(const SetRoutes& step) {
    get(step.netns, step.name);
    for (const DeviceRoute& route : step.routes) routes[{step.netns, route}] = step.name;
  }
  void operator()(const RemoveRoutes& step) {
    for (const DeviceRoute& route : step.routes) {
      auto found = routes.find({step.netns, route});
      if (found != routes.end() && found->second == step.name) routes.erase(found);
    }
  }
};

// Some of a few devices, peers, ranges: small numbers, so that wishes meet.
std::vector<WireGuardDevice> random_devices(Random& random) {
  std::vector<WireGuardDevice> out;
  std::map<std::pair<std::string, std::string>, std::string> routed;
  for (const char* netns : {"", "mesh"}) {
    for (const char* name : {"mwg0", "mwg1"}) {
      if (random.below(4) == 0) continue;
      WireGuardDevice& device = out.emplace_back();
      device.name = name;
      device.netns = netns;
      device.secret = number_key(100 + random.below(2));
      device.port = static_cast<uint16_t>(51820 + random.below(3));
      device.addresses = {"198.18.0." + std::to_string(random.below(2)) + "/32"};
      device.table = static_cast<uint32_t>(random.below(2)) * 200;
      device.mtu = 1420 - static_cast<int>(random.below(2));
      for (uint64_t key = 1; key <= 4; ++key) {
        if (random.below(3) == 0) continue;
        WireGuardPeer& peer = device.peers.emplace_back();
        peer.key = number_key(key);
        if (random.below(2) == 0) peer.endpoint = "192.0.2." + std::to_string(random.below(2) + 1) + ":51820";
        if (random.below(4) == 0) peer.preshared = number_key(50);
        peer.keepalive_s = random.below(2) == 0 ? 25 : 0;
      }
      for (int range = 0; range < 5 && !device.peers.empty(); ++range) {
        WireGuardPeer& peer = device.peers[random.below(device.peers.size())];
        std::string text = "10.0." + std::to_string(range) + ".0/24";
        peer.allowed.push_back(text);
      }
      for (WireGuardPeer& peer : device.peers) {
        peer.is_routed = random.below(2) == 0;
        for (const std::string& range : peer.allowed) {
          // Only one device of a namespace has a range in its main table.
          if (peer.is_routed && !routed.try_emplace({netns, range}, name).second) peer.is_routed = false;
        }
      }
      for (WireGuardPeer& peer : device.peers) {
        for (const std::string& range : peer.allowed) {
          if (!peer.is_routed && routed[{netns, range}] == name) routed.erase({netns, range});
        }
      }
    }
  }
  // Two devices of one namespace must not have one table.
  for (WireGuardDevice& device : out) {
    if (device.table != 0 && device.name == "mwg1") device.table = 201;
  }
  return out;
}

void bring(World& world, const std::vector<WireGuardStep>& steps) {
  for (const WireGuardStep& step : steps) std::visit(world, step);
}

void check_is_as_wished(const World& world, const std::vector<WireGuardDevice>& desired) {
  CHECK_EQ(world.devices.size(), desired.size());
  for (const ActualDevice& actual : world.actual()) {
    auto wish = std::find_if(desired.begin(), desired.end(), [&](const auto& one) { return spot(one) == spot(actual.device); });
    REQUIRE(wish != desired.end());
    CHECK_EQ(actual.device.secret, wish->secret);
    CHECK_EQ(actual.device.port, wish->port);
    CHECK_EQ(actual.device.mtu, wish->mtu);
    CHECK_EQ(actual.device.addresses, wish->addresses);
    CHECK_EQ(actual.device.table, wish->table);
    CHECK(actual.routes == routes_of(*wish));
    REQUIRE_EQ(actual.device.peers.size(), wish->peers.size());
    for (size_t i = 0; i < wish->peers.size(); ++i) {
      const WireGuardPeer& peer = actual.device.peers[i];
      CHECK_EQ(peer.key, wish->peers[i].key);
      CHECK_EQ(peer.allowed, wish->peers[i].allowed);
      CHECK_EQ(peer.preshared, wish->peers[i].preshared);
      CHECK_EQ(peer.keepalive_s, wish->peers[i].keepalive_s);
      if (!wish->peers[i].endpoint.empty()) CHECK_EQ(peer.endpoint, wish->peers[i].endpoint);
    }
  }
}

WireGuardDevice one_device() {
  WireGuardDevice device{.name = "mwg0", .netns = "mesh", .secret = number_key(9), .port = 51820};
  device.peers = {{.key = number_key(1), .endpoint = "192.0.2.1:51820", .allowed = {"10.0.1.0/24"}}};
  return device;
}

}  // namespace

TEST_CASE("a WireGuard key is 32 bytes, and base64 as wg has it") {
  WireGuardKey alice = WireGuardKey::make_secret();
  CHECK_EQ(alice.public_key().base64().size(), 44);
  CHECK_EQ(WireGuardKey::from_base64(alice.base64()).value(), alice);
  CHECK_FALSE(WireGuardKey::from_base64("abcd").has_value());
  CHECK_FALSE(WireGuardKey::from_base64(alice.base64() + "=").has_value());
  CHECK_FALSE(WireGuardKey::from_bytes("short").has_value());
  CHECK(WireGuardKey().is_none());
}

TEST_CASE("steps lead from any devices to the wished ones, and none are needed then") {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    testing::SimulatedRandom random(seed);
    World world;
    std::vector<WireGuardDevice> before;
    for (int round = 0; round < 4; ++round) {
      std::vector<WireGuardDevice> desired = random_devices(random);
      bring(world, wireguard_steps(desired, before, world.actual()));
      check_is_as_wished(world, desired);
      CHECK(wireguard_steps(desired, desired, world.actual()).empty());
      // After a restart, too.
      CHECK(wireguard_steps(desired, {}, world.actual()).empty());
      before = desired;
    }
    bring(world, wireguard_steps({}, before, world.actual()));
    CHECK(world.devices.empty());
    CHECK(world.routes.empty());
  }
}

TEST_CASE("steps that end anywhere are taken up where they ended") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    testing::SimulatedRandom random(seed);
    World world;
    bring(world, wireguard_steps(random_devices(random), {}, {}));
    std::vector<WireGuardDevice> desired = random_devices(random);
    auto steps = wireguard_steps(desired, {}, world.actual());
    size_t done = steps.empty() ? 0 : random.below(steps.size());
    bring(world, {steps.begin(), steps.begin() + static_cast<long>(done)});
    bring(world, wireguard_steps(desired, {}, world.actual()));
    check_is_as_wished(world, desired);
  }
}

TEST_CASE("what stays is neither removed nor made anew") {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    testing::SimulatedRandom random(seed);
    World world;
    auto before = random_devices(random);
    bring(world, wireguard_steps(before, {}, {}));
    auto desired = random_devices(random);
    for (const WireGuardStep& step : wireguard_steps(desired, before, world.actual())) {
      if (const auto* removed = std::get_if<RemovePeers>(&step)) {
        for (const WireGuardDevice& device : desired) {
          if (device.name != removed->name || device.netns != removed->netns) continue;
          for (const WireGuardPeer& peer : device.peers) {
            CHECK(std::find(removed->keys.begin(), removed->keys.end(), peer.key) == removed->keys.end());
          }
        }
      }
      if (const auto* created = std::get_if<CreateDevice>(&step)) CHECK_FALSE(world.devices.contains(spot(created->device)));
      if (const auto* removed = std::get_if<RemoveDevice>(&step)) {
        CHECK(std::none_of(desired.begin(), desired.end(), [&](const WireGuardDevice& one) {
          return one.name == removed->name && one.netns == removed->netns;
        }));
      }
    }
  }
}

TEST_CASE("a peer that has roamed is left where it is until the wish names another endpoint") {
  WireGuardDevice device = one_device();
  World world;
  bring(world, wireguard_steps({device}, {}, {}));
  std::vector<ActualDevice> actual = world.actual();
  actual[0].device.peers[0].endpoint = "198.51.100.7:4242";
  CHECK(wireguard_steps({device}, {device}, actual).empty());

  WireGuardDevice other = device;
  other.peers[0].keepalive_s = 25;
  auto steps = wireguard_steps({other}, {device}, actual);
  REQUIRE_EQ(steps.size(), 1);
  CHECK_EQ(std::get<SetPeers>(steps[0]).peers[0].endpoint, "");

  other.peers[0].endpoint = "192.0.2.9:51820";
  steps = wireguard_steps({other}, {device}, actual);
  REQUIRE_EQ(steps.size(), 1);
  CHECK_EQ(std::get<SetPeers>(steps[0]).peers[0].endpoint, "192.0.2.9:51820");

  // After a restart nobody knows what was wished before.
  steps = wireguard_steps({device}, {}, actual);
  REQUIRE_EQ(steps.size(), 1);
  CHECK_EQ(std::get<SetPeers>(steps[0]).peers[0].endpoint, "192.0.2.1:51820");
}

TEST_CASE("a peer that leaves is forgotten once, and keeps the session with which it calls again") {
  WireGuardDevice device = one_device();
  device.peers[0].endpoint.clear();
  World world;
  bring(world, wireguard_steps({device}, {}, {}));
  std::vector<ActualDevice> actual = world.actual();
  actual[0].device.peers[0].endpoint = "198.51.100.7:4242";
  WireGuardDevice left = device;
  left.peers[0].has_left = true;
  auto steps = wireguard_steps({left}, {device}, actual);
  REQUIRE_EQ(steps.size(), 2);
  CHECK_EQ(std::get<RemovePeers>(steps[0]).keys, std::vector<WireGuardKey>{device.peers[0].key});
  CHECK_EQ(std::get<SetPeers>(steps[1]).peers[0].allowed, device.peers[0].allowed);
  CHECK(wireguard_steps({left}, {left}, actual).empty());
  CHECK(wireguard_steps({left}, {}, actual).empty());
  CHECK(wireguard_steps({device}, {left}, actual).empty());
}

TEST_CASE("a range that moves to another device is led there before the first lets it go") {
  WireGuardDevice first = one_device();
  WireGuardDevice second = first;
  second.name = "mwg1";
  second.port = 51821;
  second.peers[0].is_routed = false;
  World world;
  bring(world, wireguard_steps({first, second}, {}, {}));
  WireGuardDevice was = first;
  first.peers[0].is_routed = false;
  second.peers[0].is_routed = true;
  auto steps = wireguard_steps({first, second}, {was, second}, world.actual());
  REQUIRE_EQ(steps.size(), 2);
  CHECK_EQ(std::get<SetRoutes>(steps[0]).name, "mwg1");
  CHECK_EQ(std::get<RemoveRoutes>(steps[1]).name, "mwg0");
  CHECK_EQ(describe(steps[0]), "lead 1 ranges into WireGuard device mwg1 in mesh");
}
