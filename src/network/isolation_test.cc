// What a member and a strange node try, each try shown to work where its rule is missing.
#include <doctest/doctest.h>
#include <linux/if_ether.h>

#include "network/firewall.h"
#include "network/frame_fixture.h"
#include "network/links.h"
#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/plan.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr const char* kUla = "fd12:3456:789a::/64";

Network make_network(uint32_t vni) {
  Network network;
  network.name = "default";
  network.vni = vni;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = kUla;  // the same in all, as ranges may be
  return network;
}

std::string six(const std::string& address) { return address6_of(kUla, ip(address)); }

void run_rules(const Place& place, const std::string& rules) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  Status done = run_nft(rules);
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
}

// Network 7: liar-0 (10.42.0.2) and victim-0 (10.42.0.3) on the first node, victim-1 (10.42.0.4) on the second.
struct Liars : Nodes {
  Liars() : Nodes(2) {
    one = base(0);
    two = base(1);
    one.networks = {make_network(7)};
    one.networks[0].members = {{"liar-0", "eth0", ip("10.42.0.2")}, {"victim-0", "eth0", ip("10.42.0.3")}};
    one.networks[0].remotes = {{ip("10.42.0.4"), ip("172.16.0.2")}};
    two.networks = {make_network(7)};
    two.networks[0].members = {{"victim-1", "eth0", ip("10.42.0.4")}};
    two.networks[0].remotes = {{ip("10.42.0.2"), ip("172.16.0.1")}, {ip("10.42.0.3"), ip("172.16.0.1")}};
    apply(0, one);
    apply(1, two);
  }
  // Whether the frame that liar-0 sends arrives at a victim.
  bool passes(const std::string& frame, size_t node) {
    Ear ear(container(node, "victim-" + std::to_string(node)), "eth0");
    send_frame(container(0, "liar-0"), "eth0", frame);
    return ear.hears(frame);
  }
  DesiredNetworks one, two;
};

struct Lie {
  std::string what;
  std::string frame;
};

// To the victim with that address. liar-0 is 10.42.0.2, others are 10.42.0.5.
std::vector<Lie> lies(const std::string& victim) {
  std::string to = mac_of(ip(victim)), own = mac_of(ip("10.42.0.2")), other = mac_of(ip("10.42.0.5"));
  std::string every = "ff:ff:ff:ff:ff:ff", every6 = "33:33:00:00:00:01";
  auto udp4 = [&](const std::string& from) { return ipv4_udp(from, victim, 1000, 2000, "hello"); };
  auto udp6 = [&](const std::string& from) { return ipv6_udp(from, six(victim), 1000, 2000, "hello"); };
  std::string own6 = six("10.42.0.2"), link_local = link_local_of(ip("10.42.0.2")).text();
  return {
      {"IPv4 address", ethernet(to, own, ETH_P_IP, udp4("10.42.0.5"))},
      {"IPv6 address", ethernet(to, own, ETH_P_IPV6, udp6(six("10.42.0.5")))},
      {"link-local address", ethernet(to, own, ETH_P_IPV6, udp6(link_local_of(ip("10.42.0.5")).text()))},
      {"no IPv6 address", ethernet(to, own, ETH_P_IPV6, udp6("::"))},
      {"MAC, IPv4", ethernet(to, other, ETH_P_IP, udp4("10.42.0.2"))},
      {"MAC, IPv6", ethernet(to, other, ETH_P_IPV6, udp6(own6))},
      {"ARP of another's address", ethernet(every, own, ETH_P_ARP, arp_answer("10.42.0.5", own))},
      {"ARP with another's MAC", ethernet(every, own, ETH_P_ARP, arp_answer("10.42.0.2", other))},
      {"ARP as the gateway", ethernet(every, own, ETH_P_ARP, arp_answer("10.42.0.1", own))},
      {"neighbour of another's address",
       ethernet(to, own, ETH_P_IPV6, ipv6_icmp(own6, six(victim), 136, neighbour_advert(six("10.42.0.5"), own)))},
      {"neighbour with another's MAC",
       ethernet(to, own, ETH_P_IPV6, ipv6_icmp(own6, six(victim), 136, neighbour_advert(own6, other)))},
      {"neighbour as the gateway",
       ethernet(to, own, ETH_P_IPV6, ipv6_icmp(own6, six(victim), 136, neighbour_advert(six("10.42.0.1"), own)))},
      {"router", ethernet(every6, own, ETH_P_IPV6, ipv6_icmp(link_local, "ff02::1", 134, router_advert()))},
      {"DHCP server", ethernet(to, own, ETH_P_IP, ipv4_udp("10.42.0.2", victim, 67, 68, "hello"))},
      {"DHCPv6 server", ethernet(to, own, ETH_P_IPV6, ipv6_udp(own6, six(victim), 547, 546, "hello"))},
      {"another protocol", ethernet(to, own, 0x88B5, "hello")},
  };
}

}  // namespace

TEST_CASE("a member cannot pass itself off as another, nor as a router, at home or on another node") {
  if (!can_make_networks()) return;
  Liars nodes;
  std::string own = mac_of(ip("10.42.0.2"));
  for (size_t node : {0, 1}) {
    std::string victim = node == 0 ? "10.42.0.3" : "10.42.0.4";
    std::string to = mac_of(ip(victim));
    CHECK(nodes.passes(ethernet(to, own, ETH_P_IP, ipv4_udp("10.42.0.2", victim, 1000, 2000, "true")), node));
    CHECK(nodes.passes(ethernet(to, own, ETH_P_IPV6, ipv6_udp(six("10.42.0.2"), six(victim), 1000, 2000, "true")), node));
    for (const Lie& lie : lies(victim)) {
      CAPTURE(lie.what);
      CAPTURE(node);
      CHECK_FALSE(nodes.passes(lie.frame, node));
    }
  }
  // Without the rules each lie is heard.
  run_rules(nodes.space(0, "mcloud_net_7"), "delete table bridge mcloud\n");
  for (const Lie& lie : lies("10.42.0.3")) {
    CAPTURE(lie.what);
    CHECK(nodes.passes(lie.frame, 0));
  }
}

TEST_CASE("two contracts with the same ranges do not see each other") {
  if (!can_make_networks()) return;
  Liars nodes;
  Network other = make_network(8);
  other.members = {{"other-0", "eth0", ip("10.42.0.9")}};
  nodes.one.networks.push_back(other);
  nodes.apply(0, nodes.one);
  Place stranger = nodes.container(0, "other-0");
  CHECK(ping(nodes.container(0, "victim-0"), "10.42.0.2"));
  CHECK(ping(nodes.container(0, "victim-0"), six("10.42.0.4")));
  CHECK(ping(stranger, six("10.42.0.1")));
  for (const char* address : {"10.42.0.2", "10.42.0.3", "10.42.0.4"}) {
    CHECK_FALSE(ping(stranger, address));
    CHECK_FALSE(ping(stranger, six(address)));
  }
  CHECK_FALSE(ping(nodes.container(0, "victim-0"), "10.42.0.9"));
}

TEST_CASE("a node that has no place in a network cannot send into it") {
  if (!can_make_networks()) return;
  Nodes nodes(3);
  DesiredNetworks one = nodes.base(0);
  one.networks = {make_network(7), make_network(8)};
  one.networks[0].members = {{"web-0", "eth0", ip("10.42.0.2")}};
  one.networks[0].remotes = {{ip("10.42.0.3"), ip("172.16.0.2")}};
  one.networks[1].members = {{"other-0", "eth0", ip("10.42.0.2")}};
  one.networks[1].remotes = {{ip("10.42.0.3"), ip("172.16.0.3")}};  // the third node is a peer, of another network
  nodes.apply(0, one);
  std::string frame = ethernet(mac_of(ip("10.42.0.2")), mac_of(ip("10.42.0.3")), ETH_P_IP,
                               ipv4_udp("10.42.0.3", "10.42.0.2", 1000, 2000, "injected"));
  auto arrives = [&](size_t from, uint32_t vni, const std::string& container) {
    Ear ear(nodes.container(0, container), "eth0");
    send_udp(nodes.places[from], "172.16.0.1", 4790, vxlan(vni, frame));
    return ear.hears(frame);
  };
  CHECK(arrives(2, 8, "other-0"));
  CHECK(arrives(1, 7, "web-0"));
  CHECK_FALSE(arrives(2, 7, "web-0"));
  CHECK_FALSE(arrives(1, 8, "other-0"));
  run_rules(nodes.places[0], "add element inet mcloud sources { 172.16.0.3 . 7 }\n");
  CHECK(arrives(2, 7, "web-0"));
}

TEST_CASE("the world cannot send into a network under a peer's backplane address") {
  if (!can_make_networks()) return;
  Liars nodes;
  std::string frame = ethernet(mac_of(ip("10.42.0.3")), mac_of(ip("10.42.0.4")), ETH_P_IP,
                               ipv4_udp("10.42.0.4", "10.42.0.3", 1000, 2000, "injected"));
  shell(nodes.places[0], "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.uplink.rp_filter=0");
  std::string mac = shell(nodes.places[0], "ip -o link show uplink | sed 's/.*ether //; s/ .*//' | tr -d '\\n'");
  auto arrives = [&] {
    Ear ear(nodes.container(0, "victim-0"), "eth0");
    send_frame(nodes.outside, "switch",
               ethernet(mac, "02:00:00:00:00:01", ETH_P_IP, ipv4_udp("172.16.0.2", "10.250.0.11", 4790, 4790, vxlan(7, frame))));
    return ear.hears(frame);
  };
  CHECK_FALSE(arrives());
  run_rules(nodes.places[0], "flush chain inet mcloud input\n");
  CHECK(arrives());
}

TEST_CASE("packets on the bare backplane do not get into an encrypted network, only those of its peers in the mesh") {
  if (!can_make_networks()) return;
  Nodes nodes(3, true);
  DesiredNetworks one = nodes.base(0);
  one.networks = {make_network(7), make_network(8)};
  one.networks[0].underlay = Underlay::Mesh;
  one.networks[0].members = {{"web-0", "eth0", ip("10.42.0.2")}};
  one.networks[0].remotes = {{ip("10.42.0.3"), ip("198.18.0.8")}};
  one.networks[1].members = {{"other-0", "eth0", ip("10.42.0.2")}};
  one.networks[1].remotes = {{ip("10.42.0.3"), ip("172.16.0.2")}};
  nodes.apply(0, one);
  std::string frame = ethernet(mac_of(ip("10.42.0.2")), mac_of(ip("10.42.0.3")), ETH_P_IP,
                               ipv4_udp("10.42.0.3", "10.42.0.2", 1000, 2000, "injected"));
  auto arrives = [&](const Place& from, const std::string& to, uint16_t port) {
    Ear ear(nodes.container(0, "web-0"), "eth0");
    send_udp(from, to, port, vxlan(7, frame));
    return ear.hears(frame);
  };
  CHECK_FALSE(arrives(nodes.places[1], "172.16.0.1", 4790));
  CHECK_FALSE(arrives(nodes.places[1], "172.16.0.1", 4789));
  CHECK(arrives(nodes.space(1, "mcloud_mesh"), "198.18.0.4", 4789));
  CHECK_FALSE(arrives(nodes.space(1, "mcloud_mesh"), "198.18.0.4", 4790));
  CHECK_FALSE(arrives(nodes.space(2, "mcloud_mesh"), "198.18.0.4", 4789));
  // Even a node that is taken for a peer on the backplane reaches no socket of the mesh.
  run_rules(nodes.places[0], "add element inet mcloud sources { 172.16.0.2 . 7 }\n");
  CHECK_FALSE(arrives(nodes.places[1], "172.16.0.1", 4790));
  run_rules(nodes.space(0, "mcloud_mesh"), "add element inet mcloud sources { 198.18.0.12 . 7 }\n");
  CHECK(arrives(nodes.space(2, "mcloud_mesh"), "198.18.0.4", 4789));
}
