// People's machines, with plain WireGuard, through an access portal.
#include <doctest/doctest.h>

#include "network/links.h"
#include "network/machine_fixture.h"
#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "network/plan.h"
#include "network/resolver.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr const char* kUla = "fd12:3456:789a::/64";
std::string six(const std::string& address) { return address6_of(kUla, ip(address)); }

// Network 7 on the backplane: the access portal (10.42.0.9) and near-0 (10.42.0.2) on the first node, far-0 (10.42.0.3)
// on the second. A laptop in the outside world has device address 10.42.0.100 and knows standard WireGuard only.
struct Team : Nodes {
  Team() : Nodes(2), laptop(make_place()), secret(WireGuardKey::make_secret()) {
    join(outside, "laptop", laptop, "net0");
    {
      NetnsScope scope = NetnsScope::enter(outside.netns).value();
      Links links = Links::open().value();
      int port = links.get("laptop").value().index;
      REQUIRE(links.set_master(port, links.get("switch").value().index).has_value());
      REQUIRE(links.set_up(port).has_value());
    }
    give_address(laptop, "net0", "10.250.0.99", 24);
    for (size_t node : {0, 1}) {
      desired[node] = base(node);
      Network& network = desired[node].networks.emplace_back();
      network.name = "team";
      network.vni = 7;
      network.range = Range::parse("10.42.0.0/16").value();
      network.range6 = kUla;
    }
    Network& here = desired[0].networks[0];
    here.members = {{"gate-0", "eth0", ip("10.42.0.9"), true}, {"near-0", "eth0", ip("10.42.0.2")}};
    here.remotes = {{ip("10.42.0.3"), ip("172.16.0.2")}};
    here.access = Access{"gate-0", 51900, secret, {{laptop_secret.public_key(), ip("10.42.0.100")}}};
    Network& there = desired[1].networks[0];
    there.members = {{"far-0", "eth0", ip("10.42.0.3")}};
    there.remotes = {{ip("10.42.0.9"), ip("172.16.0.1")}, {ip("10.42.0.2"), ip("172.16.0.1")}};
    wireguard = open_wireguard(places[0], "netns1");
    laptop_wireguard = open_wireguard(laptop, "laptop");
    apply_all();
    connect_laptop();
  }
  ~Team() {
    NetnsScope scope = NetnsScope::enter(places[0].netns).value();
    static_cast<void>(wireguard->apply({}));
    NetnsScope second = NetnsScope::enter(laptop.netns).value();
    static_cast<void>(laptop_wireguard->apply({}));
  }

  std::unique_ptr<WireGuard> open_wireguard(const Place& place, const std::string& name) {
    NetnsScope scope = NetnsScope::enter(place.netns).value();
    WireGuard::Options options;
    options.netns_folder = *folder / name;
    return WireGuard::open(options).value();
  }

  void apply_all() {
    for (size_t node : {0, 1}) apply(node, desired[node]);
    NetnsScope scope = NetnsScope::enter(places[0].netns).value();
    auto done = wireguard->apply(access_devices(desired[0]));
    if (!done.has_value()) FAIL(done.error().message);
  }

  void connect_laptop() {
    WireGuardDevice device;
    device.name = "mwg0";
    device.secret = laptop_secret;
    device.port = 51999;
    device.addresses = {"10.42.0.100/32", six("10.42.0.100") + "/128"};
    WireGuardPeer& peer = device.peers.emplace_back();
    peer.key = secret.public_key();
    peer.endpoint = "10.250.0.11:51900";
    peer.allowed = {"10.42.0.0/16", kUla};
    NetnsScope scope = NetnsScope::enter(laptop.netns).value();
    auto done = laptop_wireguard->apply({device});
    if (!done.has_value()) FAIL(done.error().message);
  }

  bool reaches(const std::string& address, uint16_t port) {
    // The first packet may wait for the handshake.
    for (int i = 0; i < 10; ++i) {
      if (connect_tcp(laptop, address, port).is_open()) return true;
    }
    return false;
  }

  Place laptop;
  WireGuardKey secret, laptop_secret = WireGuardKey::make_secret();
  DesiredNetworks desired[2];
  std::unique_ptr<WireGuard> wireguard, laptop_wireguard;
};

}  // namespace

TEST_CASE("a laptop with plain WireGuard is a member: it reaches members on every node and they reach it") {
  if (!can_make_meshes()) return;
  Team nodes;
  Place near = nodes.container(0, "near-0"), far = nodes.container(1, "far-0");
  TcpServer near_server(near, "0.0.0.0", 80), far_server(far, "0.0.0.0", 80), far6(far, "::", 80);
  TcpServer own(nodes.laptop, "0.0.0.0", 22), own6(nodes.laptop, "::", 22);
  CHECK(nodes.reaches("10.42.0.2", 80));
  CHECK_EQ(near_server.serve("hello"), "10.42.0.100");
  CHECK(nodes.reaches("10.42.0.3", 80));
  CHECK_EQ(far_server.serve("hello"), "10.42.0.100");
  CHECK(nodes.reaches(six("10.42.0.3"), 80));
  CHECK_EQ(far6.serve("hello"), six("10.42.0.100"));
  CHECK(connect_tcp(near, "10.42.0.100", 22).is_open());
  CHECK(connect_tcp(far, "10.42.0.100", 22).is_open());
  CHECK(connect_tcp(far, six("10.42.0.100"), 22).is_open());
  // Names are had through the portal too.
  give_address(nodes.places[0], "lo", kResolverAddress, 32);
  UdpServer resolver(nodes.places[0], kResolverAddress, 53);
  io::Fd query = send_udp(nodes.laptop, "10.42.0.1", 53, "who");
  CHECK_EQ(resolver.answer_one("web"), "198.19.0.1");
  CHECK_EQ(receive_udp(query), "web");
  // It gets into the network and no further.
  TcpServer node(nodes.places[0], "0.0.0.0", 7000);
  CHECK_FALSE(connect_tcp(nodes.laptop, "10.42.0.1", 7000).is_open());
  CHECK_FALSE(connect_tcp(nodes.laptop, "10.42.0.9", 7000).is_open());
}

TEST_CASE("a device that is revoked is out at once, and nothing answers for it any more") {
  if (!can_make_meshes()) return;
  Team nodes;
  TcpServer far_server(nodes.container(1, "far-0"), "0.0.0.0", 80);
  REQUIRE(nodes.reaches("10.42.0.3", 80));
  nodes.desired[0].networks[0].access->devices.clear();
  nodes.apply_all();
  CHECK_EQ(nodes.apply(0, nodes.desired[0]), 0);
  CHECK_FALSE(connect_tcp(nodes.laptop, "10.42.0.3", 80).is_open());
  CHECK_FALSE(ping(nodes.container(1, "far-0"), "10.42.0.100"));
}

TEST_CASE("rules of a restricted network hold for a laptop at the portal and at the member") {
  if (!can_make_meshes()) return;
  Team nodes;
  for (DesiredNetworks& desired : nodes.desired) {
    desired.networks[0].restricted = true;
    desired.networks[0].allow = {{{ip("10.42.0.100")}, {ip("10.42.0.3")}, "tcp", 80, 80}};
  }
  nodes.apply_all();
  TcpServer far_server(nodes.container(1, "far-0"), "0.0.0.0", 80), far_other(nodes.container(1, "far-0"), "0.0.0.0", 81);
  TcpServer near_server(nodes.container(0, "near-0"), "0.0.0.0", 80), far6(nodes.container(1, "far-0"), "::", 80);
  CHECK(nodes.reaches("10.42.0.3", 80));
  CHECK(nodes.reaches(six("10.42.0.3"), 80));
  CHECK_FALSE(connect_tcp(nodes.laptop, "10.42.0.3", 81).is_open());
  CHECK_FALSE(connect_tcp(nodes.laptop, "10.42.0.2", 80).is_open());
}
