// Keys change under traffic, with real devices.
#include <doctest/doctest.h>

#include "io/clock.h"
#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "network/rotation.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

// What an agent does at each of its rounds, with a ledger that is read at once.
struct RotatingNodes : MeshNodes {
  explicit RotatingNodes(size_t count) : MeshNodes(count), memories(count), paths(count), made(count), is_asked(count) {
    policy.settle_ms = 1'000;
    policy.linger_ms = 1'000;
  }

  RotationView view(size_t node, std::vector<ActualDevice> devices) const {
    RotationView out;
    out.wall_ms = io::SystemClock().wall_ms();
    out.steady_ms = io::SystemClock().monotonic_ms();
    out.is_asked = is_asked[node];
    for (const OwnKey& own : meshes[node].own_keys) out.own.push_back({own.slot, own.key, made[node]});
    for (const MeshKey& key : meshes[node].node.keys) out.on_ledger.push_back(key.key);
    for (size_t i = 0; i < meshes.size(); ++i) {
      if (i != node) out.peers.push_back(meshes[i].node);
    }
    out.devices = std::move(devices);
    return out;
  }

  void round(size_t node, Overlay& overlay) {
    RotationView now = view(node, read_mesh(node));
    RotationAdvice advice = advise(policy, now, memories[node]);
    memories[node] = advice.memory;
    MeshPlace& place = meshes[node];
    if (advice.make_slot.has_value()) {
      std::vector<MeshKey> published = place.node.keys;
      place.add_key(*advice.make_slot);
      place.node.keys = published;
      is_asked[node] = false;
    }
    if (advice.drop_slot.has_value()) {
      std::erase_if(place.own_keys, [&](const OwnKey& key) { return key.slot == *advice.drop_slot; });
    }
    now = view(node, now.devices);
    paths[node] = choose_paths(now, paths[node]);
    MeshWish wanted = wish(node);
    for (const auto& [id, path] : paths[node]) wanted.send_slot[id] = path.own_slot;
    apply_mesh(node, wanted);
    for (size_t other = 0; other < meshes.size(); ++other) {
      auto path = paths[node].find(meshes[other].node.id);
      if (path != paths[node].end()) overlay.lead(node, other, address(other, path->second.peer_slot));
    }
    if (advice.publish.empty()) return;
    place.node.keys.clear();
    for (const OwnKey& own : place.own_keys) {
      if (std::find(advice.publish.begin(), advice.publish.end(), own.slot) == advice.publish.end()) continue;
      place.node.keys.push_back({own.slot, own.key, own.port});
    }
  }

  // Rounds until every node has the one key of this slot alone; false after 30 s.
  bool rotate(Overlay& overlay, uint32_t slot) {
    uint64_t deadline = io::SystemClock().monotonic_ms() + 30'000;
    while (io::SystemClock().monotonic_ms() < deadline) {
      size_t done = 0;
      for (size_t i = 0; i < meshes.size(); ++i) {
        round(i, overlay);
        const auto& own = meshes[i].own_keys;
        done += (is_rotating.contains(i) ? own.size() == 1 && own[0].slot == slot : own.size() == 1) ? 1 : 0;
      }
      if (done == meshes.size()) return true;
    }
    return false;
  }

  RotationPolicy policy;
  std::vector<RotationMemory> memories;
  std::vector<std::map<NodeId, SendPath>> paths;
  std::vector<uint64_t> made;
  std::vector<bool> is_asked;
  std::set<size_t> is_rotating;
};

void rotate_under_pings(const std::set<size_t>& rotating) {
  RotatingNodes nodes(2);
  for (uint64_t& made : nodes.made) made = io::SystemClock().wall_ms();
  nodes.apply_mesh(0);
  nodes.apply_mesh(1);
  Overlay overlay(nodes);
  REQUIRE(ping_at_last(overlay.places[0], Overlay::address(1)));
  PingFlood there(overlay.places[0], Overlay::address(1), "0.003");
  PingFlood back(overlay.places[1], Overlay::address(0), "0.003");
  nodes.is_rotating = rotating;
  for (size_t node : rotating) nodes.is_asked[node] = true;
  CHECK(nodes.rotate(overlay, 1));
  for (size_t node : rotating) nodes.is_asked[node] = true;
  CHECK(nodes.rotate(overlay, 0));
  PingFlood::Count one = there.stop();
  PingFlood::Count other = back.stop();
  MESSAGE("over two changes of " << rotating.size() << " key(s): " << one.sent << " and " << other.sent << " pings, lost "
                                 << one.sent - one.received << " and " << other.sent - other.received);
  CHECK_GT(one.sent, 500);
  CHECK_EQ(one.sent, one.received);
  CHECK_EQ(other.sent, other.received);
}

}  // namespace

TEST_CASE("a key is changed under several hundred pings a second and none is lost") {
  if (!can_make_meshes()) return;
  rotate_under_pings({0});
}

TEST_CASE("both ends change their keys at once and no ping is lost") {
  if (!can_make_meshes()) return;
  rotate_under_pings({0, 1});
}
