#include <doctest/doctest.h>

#include "network/links.h"
#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/plan.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

Network make_network(uint32_t vni, Underlay underlay) {
  Network network;
  network.name = "default";
  network.vni = vni;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = ula_range("test", vni);
  network.underlay = underlay;
  return network;
}

// Network 7 in the mesh and network 8 on the backplane, web-0 (10.42.0.2) and web-1 (10.42.0.3) in each.
struct TwoUnderlays : Nodes {
  explicit TwoUnderlays(bool has_mesh = true) : Nodes(2, has_mesh) {
    for (size_t node : {0, 1}) {
      desired[node] = base(node);
      for (uint32_t vni : {7, 8}) {
        Network network = make_network(vni, vni == 7 ? Underlay::Mesh : Underlay::Plain);
        std::string other = vni == 7 ? "198.18.0." + std::to_string(4 * (2 - node)) : "172.16.0." + std::to_string(2 - node);
        std::string netns = "web-" + std::to_string(vni) + "-" + std::to_string(node);
        network.members = {{netns, "eth0", ip("10.42.0." + std::to_string(2 + node))}};
        network.remotes = {{ip("10.42.0." + std::to_string(3 - node)), ip(other)}};
        desired[node].networks.push_back(network);
      }
    }
  }
  DesiredNetworks desired[2];
};

}  // namespace

TEST_CASE("networks in the mesh and on the backplane work side by side, in full-sized packets of both families") {
  if (!can_make_networks()) return;
  TwoUnderlays nodes;
  for (size_t node : {0, 1}) nodes.apply(node, nodes.desired[node]);
  for (size_t node : {0, 1}) CHECK_EQ(nodes.apply(node, nodes.desired[node]), 0);
  Place meshed = nodes.container(0, "web-7-0");
  Place plain = nodes.container(0, "web-8-0");
  CHECK(ping(meshed, "10.42.0.3", 1370 - 28));
  CHECK(ping(plain, "10.42.0.3", 1450 - 28));
  CHECK(ping(meshed, address6_of(ula_range("test", 7), ip("10.42.0.3")), 1370 - 48));
  CHECK(ping(plain, address6_of(ula_range("test", 8), ip("10.42.0.3")), 1450 - 48));
  CHECK(ping(plain, address6_of(ula_range("test", 8), ip("10.42.0.1"))));
}

TEST_CASE("without a mesh its networks fail with a reason and the others work; when it comes they do too") {
  if (!can_make_networks()) return;
  TwoUnderlays nodes(false);
  for (size_t node : {0, 1}) {
    NetnsScope scope = NetnsScope::enter(nodes.places[node].netns).value();
    auto done = nodes.machines[node]->apply(nodes.desired[node]);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message.find("this node has no mesh for encrypted networks") != std::string::npos);
  }
  CHECK(ping(nodes.container(0, "web-8-0"), "10.42.0.3"));
  for (size_t node : {0, 1}) nodes.add_mesh(node);
  for (size_t node : {0, 1}) nodes.apply(node, nodes.desired[node]);
  CHECK(ping(nodes.container(0, "web-7-0"), "10.42.0.3"));
}

TEST_CASE("a mesh that is made again gets its VXLAN device back and no member is touched") {
  if (!can_make_networks()) return;
  TwoUnderlays nodes;
  for (size_t node : {0, 1}) nodes.apply(node, nodes.desired[node]);
  auto port = [&] {
    NetnsScope scope = NetnsScope::enter(nodes.space(0, "mcloud_net_7").netns).value();
    return Links::open().value().get("m0a2a0002").value().index;
  };
  int before = port();
  REQUIRE(unpin_netns(nodes.path(0, "mcloud_mesh")).has_value());
  {
    NetnsScope scope = NetnsScope::enter(nodes.mesh.netns).value();
    Links links = Links::open().value();
    REQUIRE(links.remove("port1").has_value());
  }
  nodes.add_mesh(0);
  CHECK_GT(nodes.apply(0, nodes.desired[0]), 0);
  CHECK_EQ(port(), before);
  CHECK_EQ(nodes.apply(0, nodes.desired[0]), 0);
  CHECK(ping(nodes.container(0, "web-7-0"), "10.42.0.3"));
}

TEST_CASE("a remote that moves to another node is one entry, and the rules one change") {
  if (!can_make_networks()) return;
  TwoUnderlays nodes;
  nodes.desired[0].networks[0].remotes.push_back({ip("10.42.0.50"), ip("198.18.0.8")});
  nodes.desired[0].networks[0].remotes.push_back({ip("10.42.0.51"), ip("198.18.0.12")});
  nodes.apply(0, nodes.desired[0]);
  nodes.desired[0].networks[0].remotes[1].node = ip("198.18.0.12");
  CHECK_EQ(nodes.apply(0, nodes.desired[0]), 1);
  nodes.desired[0].networks[0].remotes[1].node = ip("198.18.0.16");  // a node that was no peer: heard, and told
  CHECK_EQ(nodes.apply(0, nodes.desired[0]), 3);
}

TEST_CASE("packets between nodes are not tracked, and a member may speak to that port of somebody else") {
  if (!can_make_networks()) return;
  TwoUnderlays nodes;
  for (size_t node : {0, 1}) nodes.apply(node, nodes.desired[node]);
  Place plain = nodes.container(0, "web-8-0");
  CHECK(ping(plain, "10.42.0.3"));
  UdpServer outside(nodes.outside, "10.250.0.1", 4790);
  io::Fd query = send_udp(plain, "10.250.0.1", 4790, "who");
  CHECK_EQ(outside.answer_one("me"), "10.250.0.11");
  CHECK_EQ(receive_udp(query), "me");
  std::string tracked = shell(nodes.places[0], "cat /proc/net/nf_conntrack");
  CHECK(tracked.find("dst=10.250.0.1 ") != std::string::npos);
  CHECK(tracked.find("dst=172.16.0.") == std::string::npos);
}
