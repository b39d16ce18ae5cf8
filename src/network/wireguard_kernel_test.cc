// Where the kernel has WireGuard: on this machine, or in the guest of tests/e2e/guest_wireguard.py.
#include <doctest/doctest.h>

#include <algorithm>

#include "network/links.h"
#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "network/wireguard_backend.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

bool has_kernel_wireguard() {
  if (!can_make_meshes()) return false;
  bool has = open_kernel_wireguard().has_value();
  if (!has) MESSAGE("skipped: this kernel has no WireGuard");
  return has;
}

std::string kind_of_mesh_link(MeshNodes& nodes, size_t node) {
  NetnsScope scope = NetnsScope::enter(nodes.mesh(node).netns).value();
  return Links::open().value().get("mwg0").value().kind;
}

}  // namespace

TEST_CASE("kernel WireGuard is chosen where it is, and two nodes talk through its devices") {
  if (!has_kernel_wireguard()) return;
  MeshNodes nodes(2);
  nodes.apply_mesh(0);
  nodes.apply_mesh(1);
  CHECK(nodes.mesh_machines[0]->is_kernel());
  CHECK_EQ(kind_of_mesh_link(nodes, 0), "wireguard");
  CHECK_EQ(count_wireguard_go(), 0);
  CHECK(ping_at_last(nodes.mesh(0), nodes.address(1)));
  CHECK(ping(nodes.mesh(1), nodes.address(0), 1420 - 28));
  CHECK_EQ(nodes.apply_mesh(0), 0);
  Overlay overlay(nodes);
  CHECK(ping_at_last(overlay.places[0], Overlay::address(1)));
  CHECK(transfer(overlay.places[0], overlay.places[1], Overlay::address(1), 4 << 20));
  auto devices = nodes.read_mesh(0);
  REQUIRE_EQ(devices.size(), 1);
  CHECK_FALSE(devices[0].is_userspace);
  CHECK_GT(devices[0].figures.begin()->second.last_handshake_ms, 1'000'000);
  CHECK_GT(devices[0].figures.begin()->second.sent_bytes, 4 << 20);
}

TEST_CASE("kernel WireGuard and wireguard-go talk to each other, with a preshared key") {
  if (!has_kernel_wireguard()) return;
  MeshNodes nodes(2);
  nodes.use_userspace(1);
  nodes.apply_mesh(0);
  nodes.apply_mesh(1);
  CHECK_EQ(kind_of_mesh_link(nodes, 0), "wireguard");
  CHECK_EQ(kind_of_mesh_link(nodes, 1), "tun");
  CHECK_FALSE(nodes.wish(0).mesh_secret.empty());
  CHECK(ping_at_last(nodes.mesh(0), nodes.address(1)));
  CHECK(ping_at_last(nodes.mesh(1), nodes.address(0)));
  Overlay overlay(nodes);
  CHECK(ping_at_last(overlay.places[0], Overlay::address(1)));
  CHECK(transfer(overlay.places[0], overlay.places[1], Overlay::address(1), 1 << 20));
}

TEST_CASE("kernel WireGuard takes hundreds of peers in parts and reads as it was wished") {
  if (!has_kernel_wireguard()) return;
  testing::TemporaryFolder folder;
  io::Fd home = create_netns().value();
  NetnsScope scope = NetnsScope::enter(home).value();
  auto wireguard = WireGuard::open({.netns_folder = folder / "netns"}).value();
  WireGuardDevice device{.name = "mwg0", .secret = WireGuardKey::make_secret(), .port = 51820};
  device.addresses = {"198.18.0.4/32"};
  for (int i = 0; i < 300; ++i) {
    WireGuardPeer& peer = device.peers.emplace_back();
    peer.key = WireGuardKey::make_secret().public_key();
    peer.endpoint = "192.0.2." + std::to_string(i % 250 + 1) + ":51820";
    peer.allowed = {"198.19." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "/32", "fd00::" + std::to_string(i + 1) + "/128"};
  }
  std::sort(device.peers.begin(), device.peers.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  auto done = wireguard->apply({device});
  if (!done.has_value()) FAIL(done.error().message);
  CHECK_EQ(wireguard->apply({device}).value(), 0);
  auto read = wireguard->read().value();
  REQUIRE_EQ(read.size(), 1);
  CHECK_EQ(read[0].device.peers.size(), 300);
  // Ranges go without their peers.
  device.peers[7].allowed.pop_back();
  CHECK_GT(wireguard->apply({device}).value(), 0);
  CHECK_EQ(wireguard->apply({device}).value(), 0);
  CHECK_GT(wireguard->apply({}).value(), 0);
  CHECK(wireguard->read().value().empty());
}
