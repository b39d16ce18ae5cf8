// What `allow` lets through, and what it does not, at both ends.
#include <doctest/doctest.h>

#include <algorithm>

#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/plan.h"
#include "network/resolver.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr const char* kUla = "fd12:3456:789a::/64";
std::string six(const std::string& address) { return address6_of(kUla, ip(address)); }

Network make_network() {
  Network network;
  network.name = "default";
  network.vni = 7;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = kUla;
  network.restricted = true;
  network.allow = {{{ip("10.42.0.2")}, {ip("10.42.0.3")}, "tcp", 80, 80}, {{ip("10.42.0.2")}, {ip("10.42.0.3")}, "udp", 90, 99}};
  return network;
}

// web-0 (10.42.0.2) and odd-0 (10.42.0.4) on the first node, db-0 (10.42.0.3) on the second. web may open tcp/80 and
// udp/90 to 99 of db.
struct Restricted : Nodes {
  Restricted() : Nodes(2) {
    one = base(0);
    one.networks = {make_network()};
    one.networks[0].members = {{"web-0", "eth0", ip("10.42.0.2")}, {"odd-0", "eth0", ip("10.42.0.4")}};
    one.networks[0].remotes = {{ip("10.42.0.3"), ip("172.16.0.2")}};
    two = base(1);
    two.networks = {make_network()};
    two.networks[0].members = {{"db-0", "eth0", ip("10.42.0.3")}};
    two.networks[0].remotes = {{ip("10.42.0.2"), ip("172.16.0.1")}, {ip("10.42.0.4"), ip("172.16.0.1")}};
    apply(0, one);
    apply(1, two);
    web = container(0, "web-0");
    odd = container(0, "odd-0");
    db = container(1, "db-0");
  }
  DesiredNetworks one, two;
  Place web, odd, db;
};

void run_rules(const Place& place, const std::string& rules) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  Status done = run_nft(rules);
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
}

uint64_t packets(const std::vector<RuleCounter>& counters, const std::string& netns, const std::string& rule) {
  auto found = std::find_if(counters.begin(), counters.end(), [&](const RuleCounter& counter) {
    return counter.netns == netns && counter.rule == rule;
  });
  return found == counters.end() ? 0 : found->packets;
}

}  // namespace

TEST_CASE("in a restricted network what is allowed works in both families, and nothing else") {
  if (!can_make_networks()) return;
  Restricted nodes;
  CHECK_EQ(nodes.apply(0, nodes.one), 0);
  TcpServer db(nodes.db, "0.0.0.0", 80), db6(nodes.db, "::", 80), other(nodes.db, "0.0.0.0", 81), web(nodes.web, "0.0.0.0", 80);
  UdpServer udp(nodes.db, "0.0.0.0", 95), udp6(nodes.db, "::", 95);
  CHECK(connect_tcp(nodes.web, "10.42.0.3", 80).is_open());
  CHECK(connect_tcp(nodes.web, six("10.42.0.3"), 80).is_open());
  io::Fd query = send_udp(nodes.web, "10.42.0.3", 95, "who"), query6 = send_udp(nodes.web, six("10.42.0.3"), 95, "who");
  CHECK_EQ(udp.answer_one("db"), "10.42.0.2");
  CHECK_EQ(udp6.answer_one("db6"), six("10.42.0.2"));
  CHECK_EQ(receive_udp(query), "db");
  CHECK_EQ(receive_udp(query6), "db6");
  CHECK_FALSE(connect_tcp(nodes.web, "10.42.0.3", 81).is_open());
  CHECK_FALSE(connect_tcp(nodes.odd, "10.42.0.3", 80).is_open());
  CHECK_FALSE(connect_tcp(nodes.odd, six("10.42.0.3"), 80).is_open());
  CHECK_FALSE(connect_tcp(nodes.db, "10.42.0.2", 80).is_open());
  CHECK_FALSE(ping(nodes.odd, "10.42.0.3"));
  CHECK(connect_tcp(nodes.web, "127.0.0.1", 80).is_open());
  CHECK(connect_tcp(nodes.web, "10.42.0.2", 80).is_open());
}

TEST_CASE("either end alone keeps out what is not allowed, and counts it") {
  if (!can_make_networks()) return;
  Restricted nodes;
  TcpServer db(nodes.db, "0.0.0.0", 80);
  auto count = [&](size_t node, const std::string& netns, const std::string& rule) {
    NetnsScope scope = NetnsScope::enter(nodes.places[node].netns).value();
    return packets(nodes.machines[node]->read_counters().value(), netns, rule);
  };
  CHECK(connect_tcp(nodes.web, "10.42.0.3", 80).is_open());
  CHECK_GT(count(0, "mcloud-web-0", "allow 1"), 0);
  CHECK_GT(count(1, "mcloud-db-0", "allow 1"), 0);
  CHECK_FALSE(connect_tcp(nodes.odd, "10.42.0.3", 80).is_open());
  CHECK_GT(count(0, "mcloud-odd-0", "not allowed out"), 0);
  CHECK_EQ(count(1, "mcloud-db-0", "not allowed in"), 0);
  run_rules(nodes.odd, "delete table inet mcloud\n");
  CHECK_FALSE(connect_tcp(nodes.odd, "10.42.0.3", 80).is_open());
  CHECK_GT(count(1, "mcloud-db-0", "not allowed in"), 0);
  run_rules(nodes.db, "delete table inet mcloud\n");
  CHECK(connect_tcp(nodes.odd, "10.42.0.3", 80).is_open());
}

TEST_CASE("a rule that comes or goes is one step, and connections that stay allowed go on") {
  if (!can_make_networks()) return;
  Restricted nodes;
  TcpServer db(nodes.db, "0.0.0.0", 80), second(nodes.db, "0.0.0.0", 81);
  io::Fd open = connect_tcp(nodes.web, "10.42.0.3", 80);
  for (DesiredNetworks* desired : {&nodes.one, &nodes.two}) {
    desired->networks[0].allow.push_back({{ip("10.42.0.2")}, {ip("10.42.0.3")}, "tcp", 81, 81});
  }
  CHECK_EQ(nodes.apply(0, nodes.one), 1);
  CHECK_EQ(nodes.apply(1, nodes.two), 1);
  CHECK(connect_tcp(nodes.web, "10.42.0.3", 81).is_open());
  CHECK_EQ(db.serve("still"), "10.42.0.2");
  CHECK_EQ(read_all(open), "still");
  for (DesiredNetworks* desired : {&nodes.one, &nodes.two}) desired->networks[0].restricted = false;
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  CHECK(ping(nodes.odd, "10.42.0.3"));
  NetnsScope scope = NetnsScope::enter(nodes.db.netns).value();
  CHECK_FALSE(run_nft("list table inet mcloud").has_value());
}

TEST_CASE("publications, own ways and names work in a restricted network without a rule") {
  if (!can_make_networks()) return;
  Restricted nodes;
  nodes.two.publications = {{Publication::Protocol::Tcp, 8080, 7, {{ip("10.42.0.3"), 5432}}}};
  nodes.two.networks[0].ways = {{"tcp", 4001, ip("10.42.0.3"), 5433, ""}};
  nodes.apply(1, nodes.two);
  give_address(nodes.places[1], "lo", kResolverAddress, 32);
  UdpServer resolver(nodes.places[1], kResolverAddress, 53);
  TcpServer published(nodes.db, "0.0.0.0", 5432), published6(nodes.db, "::", 5432), way(nodes.db, "0.0.0.0", 5433);
  CHECK(connect_tcp(nodes.outside, "10.250.0.12", 8080).is_open());
  CHECK(connect_tcp(nodes.outside, "2001:db8::12", 8080).is_open());
  CHECK(connect_tcp(nodes.places[1], "198.19.0.1", 4001).is_open());
  CHECK_FALSE(connect_tcp(nodes.web, "10.42.0.3", 5432).is_open());
  send_udp(nodes.db, "10.42.0.1", 53, "who");
  CHECK_EQ(resolver.answer_one("db"), "198.19.0.1");
  // There is no way out but to what is allowed.
  TcpServer outside(nodes.outside, "10.250.0.1", 80);
  CHECK_FALSE(connect_tcp(nodes.db, "10.250.0.1", 80).is_open());
}

TEST_CASE("a member goes out to the world where a rule says so: by that port, in both families, to nobody else") {
  if (!can_make_networks()) return;
  Restricted nodes;
  nodes.one.networks[0].allow.push_back({.from = {ip("10.42.0.2")}, .to = {}, .protocol = "tcp", .port_first = 443, .port_last = 443, .to_world = true});
  nodes.one.forbidden_services = {"10.250.0.12:443"};
  CHECK_EQ(nodes.apply(0, nodes.one), 2);  // rules of the node, of web-0
  TcpServer outside(nodes.outside, "10.250.0.1", 443), outside6(nodes.outside, "::", 443), other(nodes.outside, "10.250.0.1", 80);
  TcpServer ledger(nodes.places[1], "0.0.0.0", 443), own(nodes.places[0], "0.0.0.0", 443);
  TcpServer db(nodes.db, "0.0.0.0", 443), db6(nodes.db, "::", 443), odd(nodes.odd, "0.0.0.0", 443);
  CHECK(connect_tcp(nodes.web, "10.250.0.1", 443).is_open());
  CHECK(connect_tcp(nodes.web, "2001:db8::1", 443).is_open());
  CHECK_EQ(outside.serve("world"), "10.250.0.11");
  CHECK_FALSE(connect_tcp(nodes.web, "10.250.0.1", 80).is_open());
  CHECK_FALSE(ping(nodes.web, "10.250.0.1"));
  // Neither members, nor the node, nor what it forbids are the world, and nobody else may.
  for (const std::string& shut : {std::string("10.42.0.3"), six("10.42.0.3"), std::string("10.42.0.4"), std::string("10.250.0.11"),
                                  std::string("172.16.0.1"), std::string("10.250.0.12")}) {
    CAPTURE(shut);
    CHECK_FALSE(connect_tcp(nodes.web, shut, 443).is_open());
  }
  CHECK_FALSE(connect_tcp(nodes.odd, "10.250.0.1", 443).is_open());
  CHECK_FALSE(connect_tcp(nodes.odd, "2001:db8::1", 443).is_open());
  nodes.one.networks[0].allow.pop_back();
  nodes.apply(0, nodes.one);
  CHECK_FALSE(connect_tcp(nodes.web, "10.250.0.1", 443).is_open());
}

TEST_CASE("a container in a restricted and an open network keeps each to its own") {
  if (!can_make_networks()) return;
  Restricted nodes;
  Network open = make_network();
  open.vni = 8;
  open.name = "open";
  open.restricted = false;
  open.range = Range::parse("10.43.0.0/16").value();
  open.range6 = "";
  open.members = {{"web-0", "eth1", ip("10.43.0.2")}, {"odd-0", "eth1", ip("10.43.0.4")}};
  nodes.one.networks.push_back(open);
  nodes.apply(0, nodes.one);
  CHECK_EQ(nodes.apply(0, nodes.one), 0);
  CHECK(ping(nodes.web, "10.43.0.4"));
  CHECK_FALSE(ping(nodes.web, "10.42.0.4"));
}
