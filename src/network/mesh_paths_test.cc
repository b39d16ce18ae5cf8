// How packets find their way: address translation, relays, odd MTUs.
#include <doctest/doctest.h>

#include <algorithm>

#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "network/nft.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

// Nodes that know no backplane and meet on the outside network, some of them hidden.
struct Scattered : MeshNodes {
  Scattered(size_t count, const std::vector<size_t>& hidden) : MeshNodes(count) {
    for (size_t i = 0; i < count; ++i) {
      meshes[i].node.backplane.clear();
      meshes[i].node.endpoints = {"10.250.0." + std::to_string(11 + i)};
      meshes[i].add_key(kRelaySlot);
    }
    for (size_t i : hidden) {
      meshes[i].node.is_hidden = true;
      hidden_users.push_back(i);
    }
  }
  void apply_all() {
    for (size_t i = 0; i < meshes.size(); ++i) apply_mesh(i);
  }
  std::string endpoint_of(size_t node, size_t peer) {
    for (const ActualDevice& device : read_mesh(node)) {
      auto found = device.figures.find(meshes[peer].own_keys[0].key);
      if (found != device.figures.end()) return found->second.endpoint;
    }
    return "";
  }
};

uint64_t counted(const Place& place, const std::string& counter) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  auto out = io::run({.arguments = {"nft", "list", "counter", "inet", "mcloud_relay", counter}}).value();
  size_t at = out.output.find("packets ");
  REQUIRE_NE(at, std::string::npos);
  return std::stoull(out.output.substr(at + 8));
}

void check_ciphertext_only(Sniffer& sniffer) {
  size_t passed = 0;
  for (const std::string& packet : sniffer.packets()) {
    if (is_neighbour_talk(packet)) continue;
    ++passed;
    CHECK_MESSAGE(is_wireguard(packet), to_hex(packet.substr(0, 48)));
    CHECK_EQ(packet.find("xxxxxxxxxxxxxxxx"), std::string::npos);
  }
  CHECK_GT(passed, 10);
}

}  // namespace

TEST_CASE("a node behind a NAT is reached, also after the NAT has given it another port") {
  if (!can_make_meshes()) return;
  Scattered nodes(2, {1});
  auto nat = std::make_unique<Nat>(nodes, 1, 40'000);
  nodes.apply_all();
  // It called by itself, so that it can be reached from the start.
  CHECK(ping_at_last(nodes.mesh(0), nodes.address(1)));
  CHECK(nodes.endpoint_of(0, 1).starts_with("10.250.0.201:400"));
  nat.reset();
  nat = std::make_unique<Nat>(nodes, 1, 41'000);
  CHECK(ping_at_last(nodes.mesh(1), nodes.address(0)));
  CHECK(ping(nodes.mesh(0), nodes.address(1)));
  CHECK(nodes.endpoint_of(0, 1).starts_with("10.250.0.201:410"));
  // And what it is applied again does not undo that.
  CHECK_EQ(nodes.apply_mesh(0), 0);
  CHECK_EQ(nodes.apply_mesh(1), 0);
  CHECK(ping(nodes.mesh(0), nodes.address(1)));
}

TEST_CASE("two hidden nodes talk through a relay that sees their ciphertext only") {
  if (!can_make_meshes()) return;
  Scattered nodes(3, {1, 2});
  Nat one(nodes, 1, 40'000), two(nodes, 2, 41'000);
  nodes.relays = {nodes.meshes[0].node};
  nodes.apply_all();
  Sniffer sniffer(nodes.places[0], kRelayDevice);
  CHECK(ping_at_last(nodes.mesh(1), nodes.address(2)));
  CHECK(ping(nodes.mesh(2), nodes.address(1)));
  Overlay overlay(nodes);
  CHECK(ping_at_last(overlay.places[1], Overlay::address(2)));
  CHECK(transfer(overlay.places[1], overlay.places[2], Overlay::address(2), 8 << 20));
  check_ciphertext_only(sniffer);
  CHECK_GT(counted(nodes.places[0], "forwarded"), 1'000);
  // Some thousands, which the kernel may hand up joined.
  CHECK_GT(counted(nodes.places[1], "taken"), 200);
  for (size_t i = 0; i < 3; ++i) CHECK_EQ(nodes.apply_mesh(i), 0);
  // Its users reach each other there, not the relay's own network nor what it serves.
  TcpServer server(nodes.places[0], "0.0.0.0", 8080);
  CHECK_FALSE(connect_tcp(nodes.places[1], nodes.address(0, kRelaySlot), 8080).is_open());
  CHECK_FALSE(connect_tcp(nodes.places[1], nodes.address(2, kRelaySlot), 22).is_open());
}

TEST_CASE("when a relay dies hidden nodes meet at the next one") {
  if (!can_make_meshes()) return;
  Scattered nodes(4, {2, 3});
  Nat one(nodes, 2, 40'000), two(nodes, 3, 41'000);
  nodes.relays = {nodes.meshes[0].node, nodes.meshes[1].node};
  nodes.apply_all();
  CHECK(ping_at_last(nodes.mesh(2), nodes.address(3)));
  const MeshNode* relay = relay_of(nodes.meshes[2].node.id, nodes.meshes[3].node.id, nodes.relays);
  REQUIRE(relay != nullptr);
  size_t dead = relay->id == nodes.meshes[0].node.id ? 0 : 1;
  nodes.leave_mesh(dead);
  CHECK_FALSE(ping(nodes.mesh(2), nodes.address(3)));
  nodes.relays.erase(nodes.relays.begin() + static_cast<long>(dead));
  for (size_t i = 0; i < 4; ++i) {
    if (i != dead) nodes.apply_mesh(i);
  }
  CHECK(ping_at_last(nodes.mesh(2), nodes.address(3)));
  CHECK(ping(nodes.mesh(3), nodes.address(2)));
}

TEST_CASE("large transfers do not stall on ways of 1350 and of 9000 bytes") {
  if (!can_make_meshes()) return;
  for (int mtu : {1350, 9000}) {
    CAPTURE(mtu);
    MeshNodes nodes(2);
    for (size_t i = 0; i < 2; ++i) {
      set_mtu(nodes.backplane, "port" + std::to_string(i + 1), mtu);
      set_mtu(nodes.places[i], "bp", mtu);
    }
    nodes.underlay_mtu = mtu;
    nodes.apply_mesh(0);
    nodes.apply_mesh(1);
    CHECK(ping(nodes.mesh(0), nodes.address(1), static_cast<size_t>(mtu - kMeshOverhead - 28)));
    Overlay overlay(nodes);
    CHECK(ping_at_last(overlay.places[0], Overlay::address(1)));
    CHECK(transfer(overlay.places[0], overlay.places[1], Overlay::address(1), 64 << 20));
    CHECK(transfer(overlay.places[1], overlay.places[0], Overlay::address(0), 16 << 20));
  }
}

TEST_CASE("a way that is narrower than told still lets large transfers through") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  nodes.apply_mesh(0);
  nodes.apply_mesh(1);
  for (size_t i = 0; i < 2; ++i) {
    set_mtu(nodes.backplane, "port" + std::to_string(i + 1), 1400);
    set_mtu(nodes.places[i], "bp", 1400);
  }
  Overlay overlay(nodes);
  CHECK(ping_at_last(overlay.places[0], Overlay::address(1)));
  CHECK(transfer(overlay.places[0], overlay.places[1], Overlay::address(1), 8 << 20));
}
