// A device that moves between two access portals of one network: whom members send its packets to.
#include <doctest/doctest.h>

#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/plan.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr const char* kUla = "fd12:3456:789a::/64";
const Ipv4 kLaptop = ip("10.42.0.100");

// Node i has the portal gate-i (10.42.0.(10+i)) and the member web-i (10.42.0.(2+i)). Where WireGuard would be stands a
// link that takes all.
struct TwoDoors : Nodes {
  TwoDoors() : Nodes(2) {
    for (size_t node : {0, 1}) {
      desired[node] = base(node);
      Network& network = desired[node].networks.emplace_back();
      network.name = "team";
      network.vni = 7;
      network.range = Range::parse("10.42.0.0/16").value();
      network.range6 = kUla;
      network.members = {{"gate-" + std::to_string(node), "eth0", portal(node), true}, {"web-" + std::to_string(node), "eth0", web(node)}};
      const Ipv4 other = ip("172.16.0." + std::to_string(2 - node));
      network.remotes = {{portal(1 - node), other}, {web(1 - node), other}};
      network.access = Access{"gate-" + std::to_string(node), 51900, secret, {{WireGuardKey::make_secret().public_key(), kLaptop, node == 0}}};
      apply(node, desired[node]);
      shell(container(node, "gate-" + std::to_string(node)),
            "ip link add access type bridge; ip link set access up; ip route add 10.42.0.100 dev access; ip -6 route add " +
                address6_of(kUla, kLaptop) + " dev access");
    }
  }
  static Ipv4 portal(size_t node) { return ip("10.42.0." + std::to_string(10 + node)); }
  static Ipv4 web(size_t node) { return ip("10.42.0." + std::to_string(2 + node)); }

  std::set<Ipv4> claims(size_t node) {
    NetnsScope scope = NetnsScope::enter(places[node].netns).value();
    return machines[node]->claims("gate-" + std::to_string(node), "eth0").value();
  }
  void move_to(size_t node) {
    for (size_t one : {0, 1}) {
      desired[one].networks[0].access->devices[0].is_here = one == node;
      apply(one, desired[one]);
      CHECK_EQ(apply(one, desired[one]), 0);
    }
    NetnsScope scope = NetnsScope::enter(places[node].netns).value();
    auto told = machines[node]->announce({"gate-" + std::to_string(node), "eth0", portal(node), kLaptop, address6_of(kUla, kLaptop)});
    if (!told.has_value()) FAIL(told.error().message);
  }
  // Nobody answers; what counts is where the member's packets go.
  bool sends_to(size_t member, size_t door) {
    Place place = container(member, "web-" + std::to_string(member));
    for (int i = 0; i < 10; ++i) {
      std::string known = shell(place, "ip neigh show to 10.42.0.100; ip -6 neigh show to " + address6_of(kUla, kLaptop));
      size_t first = known.find(mac_of(portal(door)));
      if (first != std::string::npos && known.find(mac_of(portal(door)), first + 1) != std::string::npos) return true;
      ping(place, "10.42.0.100");
      ping(place, address6_of(kUla, kLaptop));
    }
    return false;
  }

  WireGuardKey secret = WireGuardKey::make_secret();
  DesiredNetworks desired[2];
};

}  // namespace

TEST_CASE("a device that comes to another access portal is sent to there by every member, and the first one hears of it") {
  if (!can_make_networks()) return;
  TwoDoors nodes;
  CHECK(nodes.claims(0).empty());
  CHECK(nodes.claims(1).empty());
  for (size_t member : {0, 1}) CHECK(nodes.sends_to(member, 0));
  for (size_t door : {1, 0}) {
    CAPTURE(door);
    nodes.move_to(door);
    for (size_t member : {0, 1}) CHECK(nodes.sends_to(member, door));
    CHECK(nodes.claims(1 - door).contains(kLaptop));
    CHECK_FALSE(nodes.claims(door).contains(kLaptop));
  }
}

TEST_CASE("a portal hears announcements from the moment when it is attached, a container never; a look changes nothing") {
  if (!can_make_networks()) return;
  TwoDoors nodes;
  auto hears = [&](const std::string& name) {
    return shell(nodes.container(0, name), "cat /proc/sys/net/ipv4/conf/eth0/arp_accept").substr(0, 1);
  };
  CHECK_EQ(hears("gate-0"), "1");
  CHECK_EQ(hears("web-0"), "0");
  nodes.move_to(1);
  CHECK(nodes.claims(0).contains(kLaptop));
  shell(nodes.container(0, "gate-0"), "echo 0 > /proc/sys/net/ipv4/conf/eth0/arp_accept");
  CHECK(nodes.claims(0).contains(kLaptop));
  CHECK_EQ(hears("gate-0"), "0");
}

TEST_CASE("the key of a device is good at every access portal, its packets are led in where it is") {
  DesiredNetworks desired;
  Network& network = desired.networks.emplace_back();
  network.name = "team";
  network.vni = 7;
  network.range = Range::parse("10.42.0.0/16").value();
  network.members = {{"gate-0", "eth0", ip("10.42.0.10"), true}};
  network.access = Access{"gate-0", 51900, WireGuardKey::make_secret(), {{WireGuardKey::make_secret().public_key(), kLaptop, false}}};
  REQUIRE_EQ(access_devices(desired).size(), 1);
  CHECK_FALSE(access_devices(desired)[0].peers.at(0).is_routed);
  network.access->devices[0].is_here = true;
  CHECK(access_devices(desired)[0].peers.at(0).is_routed);
}
