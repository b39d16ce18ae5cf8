// A physical network in VXLAN's place.
#include <doctest/doctest.h>

#include "network/machine_fixture.h"
#include "network/plan.h"

using namespace mcloud;
using namespace mcloud::network;

TEST_CASE("members and hosts of a physical network meet on one link, and the interface comes back unharmed") {
  if (!can_make_networks()) return;
  Nodes nodes(2);
  Place lan = make_place(), host = make_place();
  shell(lan, "ip link add switch type bridge; ip link set switch up");
  join(lan, "host", host, "eth0");
  for (size_t node : {0, 1}) join(lan, "port" + std::to_string(node), nodes.places[node], "lan0");
  shell(lan, "for port in host port0 port1; do ip link set $port master switch up; done");
  give_address(host, "eth0", "10.42.0.50", 16);
  std::string before = shell(nodes.places[0], "ip -br addr; ip route");
  DesiredNetworks desired[2];
  for (size_t node : {0, 1}) {
    desired[node] = nodes.base(node);
    Network& network = desired[node].networks.emplace_back();
    network.name = "office";
    network.vni = 7;
    network.range = Range::parse("10.42.0.0/16").value();
    network.range6 = "fd12:3456:789a::/64";
    network.bridge = "lan0";
    network.members = {{"web-" + std::to_string(node), "eth0", ip("10.42.0." + std::to_string(2 + node))}};
    nodes.apply(node, desired[node]);
    CHECK_EQ(nodes.apply(node, desired[node]), 0);
  }
  Place web = nodes.container(0, "web-0");
  CHECK(ping(web, "10.42.0.50", 1500 - 28));
  CHECK(ping(host, "10.42.0.2"));
  CHECK(ping(host, "10.42.0.3"));
  CHECK(ping(web, "10.42.0.3"));
  CHECK(ping(web, "fd12:3456:789a::a2a:3"));
  CHECK(ping(web, "10.42.0.1"));
  // Each node's gateway is its own: nobody out there is to find one.
  CHECK_FALSE(ping(host, "10.42.0.1"));
  nodes.apply(0, nodes.base(0));
  shell(nodes.places[0], "ip link set lan0 down");
  CHECK_EQ(shell(nodes.places[0], "ip -br addr; ip route"), before);
}
