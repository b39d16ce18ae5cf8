#include <doctest/doctest.h>

#include <set>

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

const std::string kUla = "fd12:3456:789a::/64";

Member portal(const std::string& netns, const std::string& address) { return {netns, "eth0", ip(address), true}; }
Member member(const std::string& netns, const std::string& address) { return {netns, "eth0", ip(address)}; }

// Network 7 in the mesh: a gateway's portal (10.42.0.9) on the first node, web-0 (10.42.0.2) on the second.
struct GatewayAndWeb : Nodes {
  GatewayAndWeb() : Nodes(2, true) {
    one = base(0);
    two = base(1);
    Network network;
    network.name = "default";
    network.vni = 7;
    network.range = Range::parse("10.42.0.0/16").value();
    network.range6 = kUla;
    network.underlay = Underlay::Mesh;
    one.networks = {network};
    one.networks[0].members = {portal("gate-0", "10.42.0.9")};
    one.networks[0].remotes = {{ip("10.42.0.2"), ip("198.18.0.8")}};
    one.networks[0].ways = {{"tcp", 4001, ip("10.42.0.2"), 80, "gate-0"}};
    two.networks = {network};
    two.networks[0].members = {member("web-0", "10.42.0.2")};
    two.networks[0].remotes = {{ip("10.42.0.9"), ip("198.18.0.4")}};
  }
  std::string transit(size_t node, const std::string& portal_netns) {
    NetnsScope scope = NetnsScope::enter(places[node].netns).value();
    return transit_address(machines[node]->read().value(), 7, portal_netns).value().text();
  }
  DesiredNetworks one, two;
};

}  // namespace

TEST_CASE("a way leads from the node through the portal to a member on another node, which sees the portal") {
  if (!can_make_networks()) return;
  GatewayAndWeb nodes;
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  CHECK_EQ(nodes.apply(0, nodes.one), 0);
  std::string transit = nodes.transit(0, "gate-0");
  TcpServer server(nodes.container(1, "web-0"), "0.0.0.0", 80);
  TcpServer server6(nodes.container(1, "web-0"), "::", 80);
  io::Fd client = connect_tcp(nodes.places[0], transit, 4001);
  CHECK(client.is_open());
  CHECK_EQ(server.serve("hello"), "10.42.0.9");
  CHECK_EQ(read_all(client), "hello");
  uint32_t number = (ip(transit).value - ip("198.19.0.0").value) / 2;
  io::Fd client6 = connect_tcp(nodes.places[0], transit_network_address6(number).text(), 4001);
  CHECK(client6.is_open());
  CHECK_EQ(server6.serve("hello"), "fd12:3456:789a::a2a:9");
  CHECK_EQ(read_all(client6), "hello");
  CHECK_FALSE(connect_tcp(nodes.places[0], transit, 4002).is_open());
  CHECK_FALSE(connect_tcp(nodes.places[0], transit, 80).is_open());
}

TEST_CASE("a way of the network's own transit leads to a local member") {
  if (!can_make_networks()) return;
  GatewayAndWeb nodes;
  nodes.two.networks[0].ways = {{"tcp", 4001, ip("10.42.0.2"), 80, ""}};
  nodes.apply(1, nodes.two);
  TcpServer server(nodes.container(1, "web-0"), "0.0.0.0", 80);
  io::Fd client = connect_tcp(nodes.places[1], nodes.transit(1, ""), 4001);
  CHECK(client.is_open());
  CHECK_NE(server.serve("hello"), "");
  CHECK_EQ(read_all(client), "hello");
}

TEST_CASE("the world does not get to a portal's ways, nor a portal into the node") {
  if (!can_make_networks()) return;
  GatewayAndWeb nodes;
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  std::string transit = nodes.transit(0, "gate-0");
  route_by_default(nodes.outside, "10.250.0.11");
  TcpServer web(nodes.container(1, "web-0"), "0.0.0.0", 80);
  TcpServer node(nodes.places[0], "0.0.0.0", 7000);
  REQUIRE(connect_tcp(nodes.places[0], transit, 4001).is_open());
  CHECK_FALSE(connect_tcp(nodes.outside, transit, 4001).is_open());
  CHECK_FALSE(connect_tcp(nodes.container(1, "web-0"), "10.42.0.9", 4001).is_open());
  Ipv4 end{ip(transit).value - 1};
  CHECK_FALSE(connect_tcp(nodes.container(0, "gate-0"), end.text(), 7000).is_open());
}

TEST_CASE("ways come and go while the portal's link stays, and nothing is left in the end") {
  if (!can_make_networks()) return;
  GatewayAndWeb nodes;
  nodes.apply(0, nodes.one);
  std::string transit = nodes.transit(0, "gate-0");
  nodes.one.networks[0].ways.push_back({"tcp", 4002, ip("10.42.0.2"), 81, "gate-0"});
  CHECK_EQ(nodes.apply(0, nodes.one), 1);
  CHECK_EQ(nodes.transit(0, "gate-0"), transit);
  nodes.one.networks[0].members.clear();
  nodes.one.networks[0].ways.clear();
  nodes.apply(0, nodes.one);
  CHECK_EQ(nodes.apply(0, nodes.one), 0);
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  for (const Link& link : Links::open().value().list().value()) CHECK_FALSE(link.name.starts_with("mcloud-p"));
}

namespace {

// Port 5353 of the uplink leads through the portal: to dns-0 (10.42.0.2) on the second node, dns-1 (10.42.0.3) on the first.
struct GatewayAndDns : GatewayAndWeb {
  GatewayAndDns() {
    one.networks[0].ways.clear();
    one.networks[0].members.push_back(member("dns-1", "10.42.0.3"));
    two.networks[0].remotes.push_back({ip("10.42.0.3"), ip("198.18.0.4")});
    Publication publication;
    publication.protocol = Publication::Protocol::Udp;
    publication.port = 5353;
    publication.vni = 7;
    publication.targets = {{ip("10.42.0.2"), 53}, {ip("10.42.0.3"), 53}};
    publication.portal = "gate-0";
    one.publications = {publication};
  }
  void apply_both() {
    apply(0, one);
    apply(1, two);
    CHECK_EQ(apply(0, one), 0);
  }
};

// What two new clients of the outside hear, "" = nothing.
struct Answers {
  Answers(GatewayAndDns& nodes, const std::string& to, const std::string& any, const std::string& portal) {
    UdpServer elsewhere(nodes.container(1, "web-0"), any, 53);
    UdpServer here(nodes.container(0, "dns-1"), any, 53);
    for (int i = 0; i < 2; ++i) {
      io::Fd client = send_udp(nodes.outside, to, 5353, "who");
      for (UdpServer* server : {&elsewhere, &here}) {
        std::string from = server->answer_one(server == &here ? "here" : "elsewhere");
        if (!from.empty()) CHECK_EQ(from, portal);
      }
      heard.insert(receive_udp(client));
    }
  }
  std::set<std::string> heard;
};

}  // namespace

TEST_CASE("a datagram to the uplink goes through the portal to members here and elsewhere in turn, and is answered") {
  if (!can_make_networks()) return;
  GatewayAndDns nodes;
  nodes.apply_both();
  const std::set<std::string> both = {"here", "elsewhere"};
  CHECK_EQ(Answers(nodes, "10.250.0.11", "0.0.0.0", "10.42.0.9").heard, both);
  CHECK_EQ(Answers(nodes, "2001:db8::11", "::", "fd12:3456:789a::a2a:9").heard, both);
  nodes.one.publications[0].targets.pop_back();
  CHECK_EQ(nodes.apply(0, nodes.one), 1);
  CHECK_EQ(Answers(nodes, "10.250.0.11", "0.0.0.0", "10.42.0.9").heard, std::set<std::string>{"elsewhere"});
  nodes.one.publications.clear();
  nodes.apply(0, nodes.one);
  CHECK_EQ(Answers(nodes, "10.250.0.11", "0.0.0.0", "10.42.0.9").heard, std::set<std::string>{""});
}

TEST_CASE("a publication through a portal hears the ranges it allows only, of either family") {
  if (!can_make_networks()) return;
  GatewayAndDns nodes;
  const std::set<std::string> none = {""}, both = {"here", "elsewhere"};
  nodes.one.publications[0].from = {"10.250.0.1/32", "10.250.0.0/24"};
  nodes.apply_both();
  CHECK_EQ(Answers(nodes, "10.250.0.11", "0.0.0.0", "10.42.0.9").heard, both);
  CHECK_EQ(Answers(nodes, "2001:db8::11", "::", "fd12:3456:789a::a2a:9").heard, none);
  nodes.one.publications[0].from = {"192.0.2.0/24", "2001:db8::/64"};
  nodes.apply(0, nodes.one);
  CHECK_EQ(Answers(nodes, "10.250.0.11", "0.0.0.0", "10.42.0.9").heard, none);
  CHECK_EQ(Answers(nodes, "2001:db8::11", "::", "fd12:3456:789a::a2a:9").heard, both);
}

namespace {

// Two servers behind one port, and a client that sends from one port of its own all the time.
struct Flow {
  Flow(const Place& one, const Place& other, const std::string& any, const Place& client_place, std::string to)
      : servers{UdpServer(one, any, 53), UdpServer(other, any, 53)}, to_(std::move(to)) {
    client = send_udp(client_place, to_, 5353, "who");
    heard();
  }
  void send() { send_udp_again(client, to_, 5353, "who"); }
  // Who has the last datagram: 0, 1; 2 = nobody.
  size_t heard() {
    for (size_t i : {0U, 1U}) {
      if (servers[i].answer_one("server " + std::to_string(i)).empty()) continue;
      CHECK_EQ(receive_udp(client), "server " + std::to_string(i));
      return last = i;
    }
    return last = 2;
  }
  UdpServer servers[2];
  io::Fd client;
  size_t last = 2;

 private:
  std::string to_;
};

// It stays with its server while that is a target, and goes to the other one with its next datagram when it is none.
void move(Nodes& nodes, DesiredNetworks& desired, Flow& flow) {
  const std::vector<Publication::Target> both = desired.publications[0].targets;
  size_t first = flow.last;
  REQUIRE_LT(first, 2);
  flow.send();
  CHECK_EQ(flow.heard(), first);
  desired.publications[0].targets = {both[1 - first]};
  CHECK_EQ(nodes.apply(0, desired), 1);
  flow.send();
  CHECK_EQ(flow.heard(), 1 - first);
  desired.publications[0].targets = both;
  CHECK_EQ(nodes.apply(0, desired), 1);
  flow.send();
  CHECK_EQ(flow.heard(), 1 - first);  // what leads where a rule leads is kept
}

}  // namespace

TEST_CASE("a flow that never pauses leaves a target that went, through a portal, in both families") {
  if (!can_make_networks()) return;
  GatewayAndDns nodes;
  nodes.apply_both();
  for (const auto& [to, any] : {std::pair("10.250.0.11", "0.0.0.0"), std::pair("2001:db8::11", "::")}) {
    Flow flow(nodes.container(1, "web-0"), nodes.container(0, "dns-1"), any, nodes.outside, to);
    move(nodes, nodes.one, flow);
  }
}

TEST_CASE("a flow that never pauses leaves a local member that is a target no more, and questions of names go on") {
  if (!can_make_networks()) return;
  GatewayAndDns nodes;
  nodes.one.networks[0].members = {member("dns-0", "10.42.0.2"), member("dns-1", "10.42.0.3")};
  nodes.one.networks[0].remotes.clear();
  nodes.one.publications[0].portal = "";
  nodes.apply(0, nodes.one);
  give_address(nodes.places[0], "lo", kResolverAddress, 32);
  UdpServer resolver(nodes.places[0], kResolverAddress, 53);
  io::Fd asker = send_udp(nodes.container(0, "dns-1"), "10.42.0.1", 53, "name");
  CHECK_NE(resolver.answer_one("first"), "");
  CHECK_EQ(receive_udp(asker), "first");
  for (const auto& [to, any] : {std::pair("10.250.0.11", "0.0.0.0"), std::pair("2001:db8::11", "::")}) {
    Flow flow(nodes.container(0, "dns-0"), nodes.container(0, "dns-1"), any, nodes.outside, to);
    move(nodes, nodes.one, flow);
  }
  send_udp_again(asker, "10.42.0.1", 53, "name");
  CHECK_NE(resolver.answer_one("second"), "");
  CHECK_EQ(receive_udp(asker), "second");
}

TEST_CASE("a port that leads to another network takes its flows along, and those of other programs stay where they are") {
  if (!can_make_networks()) return;
  GatewayAndDns nodes;
  Network other = nodes.one.networks[0];
  other.vni = 8;
  other.members = {member("other-0", "10.42.0.4")};
  other.remotes.clear();
  nodes.one.networks[0].members = {member("dns-0", "10.42.0.2")};
  nodes.one.networks[0].remotes.clear();
  nodes.one.networks.push_back(other);
  nodes.one.publications[0].portal = "";
  nodes.one.publications[0].targets = {{ip("10.42.0.2"), 53}};
  nodes.apply(0, nodes.one);
  {
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    REQUIRE(run_nft("table inet others {\n chain c {\n type nat hook output priority -90;\n udp dport 7 dnat ip to 10.250.0.1:8\n }\n}\n").has_value());
  }
  UdpServer strange(nodes.outside, "10.250.0.1", 8);
  io::Fd theirs = send_udp(nodes.places[0], "10.250.0.1", 7, "hello");
  CHECK_NE(strange.answer_one("one"), "");
  Flow flow(nodes.container(0, "dns-0"), nodes.container(0, "other-0"), "0.0.0.0", nodes.outside, "10.250.0.11");
  CHECK_EQ(flow.last, 0);
  nodes.one.publications[0].vni = 8;
  nodes.one.publications[0].targets = {{ip("10.42.0.4"), 53}};
  nodes.apply(0, nodes.one);
  flow.send();
  CHECK_EQ(flow.heard(), 1);
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  REQUIRE(run_nft("delete table inet others\n").has_value());
  send_udp_again(theirs, "10.250.0.1", 7, "hello");
  CHECK_NE(strange.answer_one("two"), "");  // still led by what the kernel remembers
}
