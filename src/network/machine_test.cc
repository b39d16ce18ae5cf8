#include "network/machine.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "network/firewall.h"
#include "network/links.h"
#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/nft.h"

#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

const Range kRange = Range::parse("10.42.0.0/16").value();

Network make_network(uint32_t vni, std::vector<Member> members, std::vector<RemoteMember> remotes = {}) {
  return {.name = "default", .vni = vni, .range = kRange, .members = std::move(members), .remotes = std::move(remotes)};
}

Member member(const std::string& netns, const std::string& address) { return {netns, "eth0", ip(address)}; }

// Two nodes, web-0 (10.42.0.2) on the first, web-1 (10.42.0.3) on the second, in network 7.
struct TwoNodes : Nodes {
  TwoNodes() : Nodes(2) {
    one = base(0);
    two = base(1);
    one.networks = {make_network(7, {member("web-0", "10.42.0.2")}, {{ip("10.42.0.3"), ip("172.16.0.2")}})};
    two.networks = {make_network(7, {member("web-1", "10.42.0.3")}, {{ip("10.42.0.2"), ip("172.16.0.1")}})};
  }
  DesiredNetworks one, two;
};

std::vector<std::string> link_names(const Place& place) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  std::vector<std::string> out;
  for (const Link& link : Links::open().value().list().value()) out.push_back(link.name);
  return out;
}

}  // namespace

TEST_CASE("members of a network reach each other across nodes, in full-sized packets") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  Place web0 = nodes.container(0, "web-0");
  Place web1 = nodes.container(1, "web-1");
  CHECK(ping(web0, "10.42.0.3"));
  CHECK(ping(web1, "10.42.0.2", 1450 - 28));
  CHECK(ping(web0, "10.42.0.1"));
  CHECK(ping(web1, "10.42.0.1"));
  CHECK_FALSE(ping(web0, "10.42.0.4"));
}

TEST_CASE("what is as wanted needs no step, and nothing is left of what is no longer wanted") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  auto before = link_names(nodes.places[0]);
  nodes.one.publications = {{.port = 8080, .vni = 7, .targets = {{ip("10.42.0.2"), 80}}}};
  CHECK_GT(nodes.apply(0, nodes.one), 0);
  CHECK_EQ(nodes.apply(0, nodes.one), 0);
  CHECK_GT(nodes.apply(0, nodes.base(0)), 0);
  CHECK_EQ(nodes.apply(0, nodes.base(0)), 0);
  CHECK_EQ(link_names(nodes.places[0]), before);
  CHECK(io::list_folder(*nodes.folder / "netns1").value().empty());
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  CHECK_FALSE(run_nft("list table inet mcloud").has_value());
}

TEST_CASE("a publication leads from the uplink to the local members in turn and shows them the client's address") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.one.networks[0].members.push_back(member("web-2", "10.42.0.4"));
  nodes.one.publications = {{.port = 8080, .vni = 7, .targets = {{ip("10.42.0.2"), 80}, {ip("10.42.0.4"), 81}}}};
  nodes.apply(0, nodes.one);
  TcpServer first(nodes.container(0, "web-0"), "0.0.0.0", 80);
  TcpServer second(nodes.container(0, "web-2"), "0.0.0.0", 81);
  int firsts = 0;
  for (int i = 0; i < 6; ++i) {
    io::Fd client = connect_tcp(nodes.outside, "10.250.0.11", 8080);
    REQUIRE(client.is_open());
    bool is_first = first.is_waiting();
    CHECK_EQ((is_first ? first : second).serve("hello"), "10.250.0.1");
    CHECK_EQ(read_all(client), "hello");
    firsts += is_first ? 1 : 0;
  }
  CHECK_EQ(firsts, 3);
  CHECK_FALSE(connect_tcp(nodes.outside, "10.250.0.11", 8081).is_open());
  CHECK_FALSE(connect_tcp(nodes.places[1], "172.16.0.1", 8080).is_open());

  nodes.one.publications[0].targets.pop_back();
  CHECK_EQ(nodes.apply(0, nodes.one), 1);
  nodes.one.publications.clear();
  nodes.apply(0, nodes.one);
  CHECK_FALSE(connect_tcp(nodes.outside, "10.250.0.11", 8080).is_open());
}

TEST_CASE("a publication is reached from its own node and from its own containers too") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.one.publications = {{.port = 8080, .vni = 7, .targets = {{ip("10.42.0.2"), 80}}}};
  nodes.one.networks.push_back(make_network(8, {member("other-0", "10.42.0.2")}));
  nodes.apply(0, nodes.one);
  TcpServer server(nodes.container(0, "web-0"), "0.0.0.0", 80);
  for (const Place& from : {nodes.container(0, "web-0"), nodes.container(0, "other-0")}) {
    io::Fd client = connect_tcp(from, "10.250.0.11", 8080);
    CHECK(client.is_open());
    CHECK_NE(server.serve("hello"), "");
    CHECK_EQ(read_all(client), "hello");
  }
  io::Fd local = connect_tcp(nodes.places[0], "10.250.0.11", 8080);
  CHECK(local.is_open());
  CHECK_EQ(server.serve("hello"), "10.250.0.11");
}

TEST_CASE("networks with the same range do not meet") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.one.networks.push_back(make_network(8, {member("db-0", "10.42.0.3"), member("db-1", "10.42.0.9")}));
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  TcpServer server(nodes.container(1, "web-1"), "0.0.0.0", 80);
  CHECK(ping(nodes.container(0, "db-0"), "10.42.0.9"));
  CHECK(connect_tcp(nodes.container(0, "web-0"), "10.42.0.3", 80).is_open());
  CHECK_FALSE(connect_tcp(nodes.container(0, "db-1"), "10.42.0.3", 80).is_open());
  CHECK_FALSE(ping(nodes.container(0, "db-0"), "10.42.0.2"));
  CHECK_FALSE(ping(nodes.container(0, "web-0"), "10.42.0.9"));
}

TEST_CASE("containers reach the outside, but neither the node nor what is forbidden") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  Place web = nodes.container(0, "web-0");
  TcpServer outside(nodes.outside, "10.250.0.1", 80);
  io::Fd client = connect_tcp(web, "10.250.0.1", 80);
  CHECK(client.is_open());
  CHECK_EQ(outside.serve("hello"), "10.250.0.11");
  CHECK_EQ(read_all(client), "hello");

  TcpServer node(nodes.places[0], "0.0.0.0", 7000);
  TcpServer neighbour(nodes.places[1], "0.0.0.0", 7000);
  TcpServer backplane(nodes.backplane, "0.0.0.0", 7000);
  REQUIRE(connect_tcp(nodes.places[0], "172.16.0.2", 7000).is_open());
  for (const char* to :
       {"10.250.0.11", "172.16.0.1", "172.16.0.2", "172.16.0.254", "198.19.0.0", "198.19.0.1", "10.42.0.1"}) {
    CAPTURE(to);
    CHECK_FALSE(connect_tcp(web, to, 7000).is_open());
  }
  CHECK(connect_tcp(web, "10.250.0.12", 7000).is_open());  // the neighbour's uplink is the outside
  CHECK_FALSE(connect_tcp(nodes.outside, "10.42.0.2", 80).is_open());
}

TEST_CASE("a member that speaks as another is not heard") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.one.networks[0].members.push_back(member("web-2", "10.42.0.4"));
  nodes.two.networks[0].remotes.push_back({ip("10.42.0.4"), ip("172.16.0.1")});
  nodes.two.networks[0].remotes.push_back({ip("10.42.0.99"), ip("172.16.0.1")});
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  Place liar = nodes.container(0, "web-2");
  TcpServer server(nodes.container(1, "web-1"), "0.0.0.0", 80);
  CHECK(connect_tcp(liar, "10.42.0.3", 80, "10.42.0.4").is_open());
  {
    NetnsScope scope = NetnsScope::enter(liar.netns).value();
    Links links = Links::open().value();
    REQUIRE(links.add_address(links.get("eth0").value().index, ip("10.42.0.99"), 16).has_value());
  }
  CHECK_FALSE(connect_tcp(liar, "10.42.0.3", 80, "10.42.0.99").is_open());
  CHECK(connect_tcp(liar, "10.42.0.3", 80, "10.42.0.4").is_open());
}

TEST_CASE("only peers may send into a network") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  CHECK(ping(nodes.container(1, "web-1"), "10.42.0.2"));
  nodes.one.networks[0].remotes[0].node = ip("172.16.0.77");  // web-1 is said to be elsewhere
  nodes.apply(0, nodes.one);
  CHECK_FALSE(ping(nodes.container(1, "web-1"), "10.42.0.2"));
}

TEST_CASE("a replica that moves to another node is found there at once under its old address") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.two.networks[0].members.push_back(member("api-0", "10.42.0.9"));
  nodes.one.networks[0].remotes.push_back({ip("10.42.0.9"), ip("172.16.0.2")});
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  CHECK(ping(nodes.container(0, "web-0"), "10.42.0.9"));
  std::swap(nodes.one.networks[0].members, nodes.two.networks[0].members);
  nodes.one.networks[0].members = {member("web-0", "10.42.0.2"), member("api-0", "10.42.0.9")};
  nodes.one.networks[0].remotes = {{ip("10.42.0.3"), ip("172.16.0.2")}};
  nodes.two.networks[0].members = {member("web-1", "10.42.0.3")};
  nodes.two.networks[0].remotes = {{ip("10.42.0.2"), ip("172.16.0.1")}, {ip("10.42.0.9"), ip("172.16.0.1")}};
  nodes.apply(1, nodes.two);
  nodes.apply(0, nodes.one);
  CHECK(ping(nodes.container(1, "web-1"), "10.42.0.9"));
  CHECK(ping(nodes.container(0, "web-0"), "10.42.0.9"));
  CHECK(ping(nodes.container(0, "api-0"), "10.42.0.3"));
}

TEST_CASE("a container in two networks has an interface in each") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  Network other{.name = "back", .vni = 8, .range = Range::parse("10.43.0.0/24").value()};
  other.members = {{"web-0", "eth1", ip("10.43.0.2")}, {"db-0", "eth0", ip("10.43.0.3")}};
  nodes.one.networks.push_back(other);
  nodes.apply(0, nodes.one);
  nodes.apply(1, nodes.two);
  CHECK(ping(nodes.container(0, "web-0"), "10.43.0.3"));
  CHECK(ping(nodes.container(0, "web-0"), "10.42.0.3"));
  CHECK_FALSE(ping(nodes.container(0, "db-0"), "10.42.0.3"));
  CHECK_EQ(nodes.apply(0, nodes.one), 0);
}

TEST_CASE("killed at any moment, the next apply ends with exactly what is wanted") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.apply(1, nodes.two);
  testing::SimulatedRandom random(7);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    DesiredNetworks wanted = nodes.one;
    wanted.networks.push_back(make_network(8 + static_cast<uint32_t>(random.below(2)), {member("db-0", "10.42.0.3")}));
    if (random.below(3) == 0) wanted.networks.erase(wanted.networks.begin());
    wanted.publications = {{.port = static_cast<uint16_t>(8000 + round),
                            .vni = wanted.networks[0].vni,
                            .targets = {{wanted.networks[0].members[0].address, 80}}}};
    pid_t child = ::fork();
    if (child == 0) {
      NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
      static_cast<void>(nodes.machines[0]->apply(wanted));
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(random.below(12'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    // The kernel takes a killed process's unfinished namespace apart in its own time; a try may come too early.
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    auto done = nodes.machines[0]->apply(wanted);
    for (int i = 0; i < 100 && !done.has_value(); ++i, ::usleep(10'000)) done = nodes.machines[0]->apply(wanted);
    if (!done.has_value()) FAIL(done.error().message);
    CHECK_EQ(nodes.machines[0]->apply(wanted).value(), 0);
  }
  nodes.apply(0, nodes.one);
  CHECK(ping(nodes.container(0, "web-0"), "10.42.0.3"));
}

TEST_CASE("attaching a container takes milliseconds") {
  if (!can_make_networks()) return;
  TwoNodes nodes;
  nodes.apply(0, nodes.one);
  std::vector<double> took;
  for (uint8_t i = 0; i < 20; ++i) {
    nodes.one.networks[0].members.push_back(member("more-" + std::to_string(i), "10.42.1." + std::to_string(i + 1)));
    auto start = std::chrono::steady_clock::now();
    nodes.apply(0, nodes.one);
    took.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(took.begin(), took.end());
  MESSAGE("apply with one more container: median " << took[10] << " ms, worst " << took.back() << " ms");
  CHECK_LT(took[10], 100);
}

TEST_CASE("a network's number that a dying namespace still holds is had a moment later") {
  if (!can_make_networks()) return;
  Nodes nodes(1);
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  Links links = Links::open().value();
  for (int round = 0; round < 20; ++round) {
    io::Fd inside = create_netns().value();
    Status added = links.add_vxlan({.name = "vx", .vni = 9, .local = ip("172.16.0.1"), .netns = inside.get()});
    REQUIRE_MESSAGE(added.has_value(), added.error().message);
    // Nobody takes it down in order: with its last descriptor the kernel disposes of it when it gets to it.
  }
}

TEST_CASE("a network's number that is really taken is an error within a second") {
  if (!can_make_networks()) return;
  Nodes nodes(1);
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  Links links = Links::open().value();
  io::Fd inside = create_netns().value();
  REQUIRE(links.add_vxlan({.name = "vx", .vni = 9, .local = ip("172.16.0.1"), .netns = inside.get()}).has_value());
  auto before = std::chrono::steady_clock::now();
  Status again = links.add_vxlan({.name = "vx2", .vni = 9, .local = ip("172.16.0.1")});
  REQUIRE(!again.has_value());
  CHECK(again.error().code == Code::AlreadyExists);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(1));
}
