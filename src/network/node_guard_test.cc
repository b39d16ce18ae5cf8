// The node's own services, the backplane, the ledger, the mesh and other networks are out of a member's reach; the
// resolver's port is not.
#include <doctest/doctest.h>

#include "io/process.h"
#include "network/firewall.h"
#include "network/links.h"
#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/plan.h"
#include "network/resolver.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr const char* kUla = "fd12:3456:789a::/64";

void run_rules(const Place& place, const std::string& rules) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  Status done = run_nft(rules);
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
}

// web-0 in network 7 and db-0 in network 8 of one node; the node serves port 7000 and 53 everywhere, and so do the
// second node (the ledger, say) and the backplane.
struct Guarded : Nodes {
  Guarded() : Nodes(2, true) {
    DesiredNetworks& one = desired;
    one = base(0);
    for (uint32_t vni : {7, 8}) {
      Network& network = one.networks.emplace_back();
      network.name = "default";
      network.vni = vni;
      network.range = Range::parse("10.42.0.0/16").value();
      network.range6 = kUla;
      network.underlay = Underlay::Mesh;
      network.members = {{vni == 7 ? "web-0" : "db-0", "eth0", ip("10.42.0." + std::to_string(vni))}};
    }
    apply(0, one);
    give_address(places[0], "lo", kResolverAddress, 32);
    give_address(places[0], "lo", kResolverAddress6, 128);
    give_address(places[1], "bp", "2001:db8:1::2", 64);
    give_address(places[0], "bp", "2001:db8:1::1", 64);
  }
  DesiredNetworks desired;
};

// The kernel's own, "" = none.
std::string link_local_address(const Place& place, const std::string& link) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  std::string text = io::run({.arguments = {"ip", "-6", "-o", "addr", "show", "dev", link, "scope", "link"}}).value().output;
  size_t begin = text.find("fe80:");
  return begin == std::string::npos ? "" : text.substr(begin, text.find('/', begin) - begin);
}

}  // namespace

TEST_CASE("a member reaches nothing of its node, whichever of its addresses it tries") {
  if (!can_make_networks()) return;
  Guarded nodes;
  Place web = nodes.container(0, "web-0");
  TcpServer node(nodes.places[0], "0.0.0.0", 7000);
  TcpServer node6(nodes.places[0], "::", 7000);
  TcpServer inside(nodes.space(0, "mcloud_net_7"), "0.0.0.0", 7000);
  TcpServer inside6(nodes.space(0, "mcloud_net_7"), "::", 7000);
  std::vector<std::string> own = {"10.250.0.11", "2001:db8::11", "172.16.0.1", "2001:db8:1::1", "198.19.0.0", "198.19.0.2",
                                  transit_node_address6(0).text(), transit_node_address6(1).text(), kResolverAddress,
                                  kResolverAddress6};
  std::vector<std::string> gateway = {"10.42.0.1", address6_of(kUla, ip("10.42.0.1")), "198.19.0.1",
                                      transit_network_address6(0).text(),
                                      link_local_of(ip("10.42.0.1")).text() + "%2"};
  for (const auto& addresses : {own, gateway}) {
    for (const std::string& address : addresses) {
      CAPTURE(address);
      CHECK_FALSE(connect_tcp(web, address, 7000).is_open());
    }
  }
  CHECK(ping(web, "10.42.0.1"));
  CHECK_FALSE(ping(web, "10.250.0.11"));
  CHECK_FALSE(ping(web, "2001:db8::11"));
  // Where the rules are missing each of them is reached.
  run_rules(nodes.places[0], "flush chain inet mcloud input\n");
  for (const std::string& address : own) {
    CAPTURE(address);
    CHECK(connect_tcp(web, address, 7000).is_open());
  }
  run_rules(nodes.space(0, "mcloud_net_7"), "delete table inet mcloud\n");
  for (const std::string& address : gateway) {
    CAPTURE(address);
    CHECK(connect_tcp(web, address, 7000).is_open());
  }
}

TEST_CASE("a member reaches neither the backplane, nor the ledger, nor the mesh, nor other networks") {
  if (!can_make_networks()) return;
  Guarded nodes;
  Place web = nodes.container(0, "web-0");
  TcpServer neighbour(nodes.places[1], "0.0.0.0", 7000);
  TcpServer neighbour6(nodes.places[1], "::", 7000);
  TcpServer backplane(nodes.backplane, "0.0.0.0", 7000);
  TcpServer mesh(nodes.space(0, "mcloud_mesh"), "0.0.0.0", 7000);
  TcpServer db(nodes.space(0, "mcloud_net_8"), "0.0.0.0", 7000);
  // The way back, so that only rules are in the way.
  route_by_default(nodes.backplane, "172.16.0.1");
  route_by_default(nodes.places[1], "172.16.0.1");
  std::vector<std::string> addresses = {"172.16.0.2", "172.16.0.254", "198.19.0.3"};
  for (const std::string& address : addresses) {
    CAPTURE(address);
    CHECK_FALSE(connect_tcp(web, address, 7000).is_open());
  }
  for (const char* address : {"198.18.0.4", "2001:db8:1::2", "10.42.0.8"}) {
    CAPTURE(address);
    CHECK_FALSE(connect_tcp(web, address, 7000).is_open());
    CHECK_FALSE(ping(web, address));
  }
  CHECK(connect_tcp(web, "10.250.0.12", 7000).is_open());  // the neighbour's uplink is the outside
  CHECK(connect_tcp(web, "2001:db8::12", 7000).is_open());
  run_rules(nodes.places[0], "flush chain inet mcloud forward\n");
  run_rules(nodes.space(0, "mcloud_net_8"), "delete table inet mcloud\n");
  for (const std::string& address : addresses) {
    CAPTURE(address);
    CHECK(connect_tcp(web, address, 7000).is_open());
  }
}

TEST_CASE("a forbidden range and a forbidden port are out of reach in both families, and all else is not") {
  if (!can_make_networks()) return;
  Guarded nodes;
  TcpServer ledger(nodes.places[1], "0.0.0.0", 7100), ledger6(nodes.places[1], "::", 7100);
  TcpServer site(nodes.places[1], "0.0.0.0", 443), site6(nodes.places[1], "::", 443);
  Place web = nodes.container(0, "web-0");
  auto reached = [&](uint16_t port) {
    std::string families;
    for (const char* address : {"10.250.0.12", "2001:db8::12"}) {
      if (connect_tcp(web, address, port).is_open()) families += address == std::string("10.250.0.12") ? "4" : "6";
    }
    return families;
  };
  CHECK_EQ(reached(7100), "46");
  DesiredNetworks one = nodes.desired;
  one.forbidden_services = {"10.250.0.12:7100", "[2001:db8::12]:7100", "nobody:7100"};
  CHECK_EQ(complaints(one).size(), 1);
  nodes.apply(0, one);
  CHECK_EQ(reached(7100), "");
  CHECK_EQ(reached(443), "46");
  one.forbidden_services.clear();
  one.forbidden6 = {"2001:db8::12/128"};
  nodes.apply(0, one);
  CHECK_EQ(reached(7100), "4");
  one.forbidden.push_back(Range::parse("10.250.0.12/32").value());
  one.forbidden6.clear();
  nodes.apply(0, one);
  CHECK_EQ(reached(443), "6");
}

TEST_CASE("a member reaches nothing of its node by link-local addresses, neither the network's nor the transit link's") {
  if (!can_make_networks()) return;
  Guarded nodes;
  TcpServer node6(nodes.places[0], "::", 7000), inside6(nodes.space(0, "mcloud_net_7"), "::", 7000);
  Place web = nodes.container(0, "web-0");
  Place network = nodes.space(0, "mcloud_net_7");
  auto try_link = [&](const Place& place, const char* link) {
    std::string address = link_local_address(place, link);
    CAPTURE(link);
    REQUIRE_NE(address, "");
    CHECK_FALSE(connect_tcp(web, address + "%2", 7000).is_open());
    CHECK_FALSE(ping(web, address + "%2"));
  };
  for (const char* link : {"mcloud-7", "uplink"}) try_link(nodes.places[0], link);
  for (const char* link : {"up0", "br0"}) try_link(network, link);
  run_rules(network, "delete table inet mcloud\n");
  CHECK(connect_tcp(web, link_local_address(network, "br0") + "%2", 7000).is_open());
}

TEST_CASE("port 53 of the gateway leads to the node's resolver, which sees the network's transit address") {
  if (!can_make_networks()) return;
  Guarded nodes;
  UdpServer resolver(nodes.places[0], kResolverAddress, 53);
  UdpServer resolver6(nodes.places[0], kResolverAddress6, 53);
  TcpServer resolver_tcp(nodes.places[0], kResolverAddress, 53);
  Place web = nodes.container(0, "web-0"), db = nodes.container(0, "db-0");
  io::Fd query = send_udp(web, "10.42.0.1", 53, "who");
  CHECK_EQ(resolver.answer_one("web"), "198.19.0.1");
  CHECK_EQ(receive_udp(query), "web");
  io::Fd other = send_udp(db, "10.42.0.1", 53, "who");
  CHECK_EQ(resolver.answer_one("db"), "198.19.0.3");
  CHECK_EQ(receive_udp(other), "db");
  io::Fd query6 = send_udp(web, address6_of(kUla, ip("10.42.0.1")), 53, "who");
  CHECK_EQ(resolver6.answer_one("six"), transit_network_address6(0).text());
  CHECK_EQ(receive_udp(query6), "six");
  io::Fd stream = connect_tcp(web, "10.42.0.1", 53);
  CHECK(stream.is_open());
  CHECK_EQ(resolver_tcp.serve("tcp"), "198.19.0.1");
  CHECK_EQ(read_all(stream), "tcp");
  // From the world it is not reached, though the node has the address.
  route_by_default(nodes.outside, "10.250.0.11");
  send_udp(nodes.outside, kResolverAddress, 53, "who");
  CHECK_EQ(resolver.answer_one("world"), "");
}

TEST_CASE("a publication of port 53 does not take the resolver's queries") {
  if (!can_make_networks()) return;
  Guarded nodes;
  DesiredNetworks one = nodes.base(0);
  Network network;
  network.name = "default";
  network.vni = 7;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = kUla;
  network.members = {{"web-0", "eth0", ip("10.42.0.7")}};
  one.networks = {network};
  one.publications = {{Publication::Protocol::Udp, 53, 7, {{ip("10.42.0.7"), 5353}}}};
  nodes.apply(0, one);
  UdpServer resolver(nodes.places[0], kResolverAddress, 53);
  UdpServer published(nodes.container(0, "web-0"), "0.0.0.0", 5353);
  send_udp(nodes.container(0, "web-0"), "10.42.0.1", 53, "who");
  CHECK_NE(resolver.answer_one("web"), "");
  send_udp(nodes.outside, "10.250.0.11", 53, "who");
  CHECK_EQ(published.answer_one("published"), "10.250.0.1");
}
