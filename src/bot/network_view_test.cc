#include "bot/network_view.h"

#include <doctest/doctest.h>

#include "bot/device_config.h"
#include "bot/test_network.h"

using namespace mcloud;
using namespace mcloud::bot;

namespace {

// web on n1 and n2, db on n3.
TestTeam some_team() {
  TestTeam team;
  for (const char* name : {"n1", "n2", "n3"}) team.add_node(name);
  team.add_container("db", "office", {"n3"});
  team.add_container("web", "office", {"n1", "n2"});
  return team;
}

NodePath path(TestTeam& team, const char* from, const char* to) {
  return path_between(team.facts, team.node(from), team.node(to), "office");
}

}  // namespace

TEST_CASE("a network shows its members with addresses, nodes and whether names lead to them") {
  TestTeam team = some_team();
  team.replica("web", 1).set_state(pb::REPLICA_RESTARTING);
  NetworkView view = view_network(team.facts, "office").value();
  REQUIRE_EQ(view.members.size(), 3);
  CHECK_EQ(view.members[0].name(), "db-0");
  CHECK_EQ(view.members[0].address, "10.42.0.2");
  CHECK(view.members[0].address6.starts_with("fd"));
  CHECK(view.members[0].address6.ends_with(":a2a:2"));
  CHECK_EQ(view.members[0].node, "n3");
  CHECK(view.members[0].serves);
  CHECK_FALSE(view.members[2].serves);
  CHECK_EQ(view.encryption, pb::ENCRYPTION_WIREGUARD);
  CHECK_EQ(view.paths.size(), 3);
}

TEST_CASE("a network that is not there is answered with the nearest") {
  TestTeam team = some_team();
  Result<NetworkView> view = view_network(team.facts, "offce");
  REQUIRE_FALSE(view.has_value());
  CHECK_EQ(view.error().code, Code::NotFound);
  CHECK_NE(view.error().message.find("office"), std::string::npos);
}

TEST_CASE("with an allow list the view says who may open what to whom") {
  TestTeam team = some_team();
  team.add_access("office", "n1");
  team.allow("web", "db", "tcp", 5432);
  team.allow("devices", "web");
  NetworkView view = view_network(team.facts, "office").value();
  auto what = [&](const char* from, const char* to) -> std::string {
    for (const Reach& reach : view.reach) {
      if (reach.from == from && reach.to == to) return (reach.is_allowed ? "" : "not ") + reach.what;
    }
    return "?";
  };
  CHECK_EQ(what("web", "db"), "tcp 5432");
  CHECK_EQ(what("db", "web"), "not nothing");
  CHECK_EQ(what("web", "web"), "not nothing");
  CHECK_EQ(what("device:laptop", "web"), "everything");
  CHECK_EQ(what("device:laptop", "db"), "not nothing");
  CHECK_EQ(view.rules[0], "web -> db:5432/tcp");
}

TEST_CASE("nodes of a farm use its backplane, others the public address, with or without a preshared key") {
  TestTeam team = some_team();
  CHECK_EQ(path(team, "n1", "n2").way, Way::Backplane);
  CHECK(path(team, "n1", "n2").is_preshared);
  team.node("n2").set_farm("barn");
  team.node("n2").set_mesh_secret_id(Bytes(32, 't'));
  team.node("n2").mutable_addresses()->add_endpoints("2001:db8::2");
  NodePath far = path(team, "n1", "n2");
  CHECK_EQ(far.way, Way::Endpoint);
  CHECK_NE(far.text.find("2001:db8::2"), std::string::npos);
  CHECK(far.is_encrypted);
  CHECK_FALSE(far.is_preshared);
  CHECK_EQ(path(team, "n1", "n1").way, Way::SameNode);
}

TEST_CASE("a hidden node calls; two hidden ones meet at a relay, or not at all") {
  TestTeam team = some_team();
  team.hide("n2");
  CHECK_EQ(path(team, "n1", "n2").way, Way::Called);
  CHECK_EQ(path(team, "n2", "n1").way, Way::Endpoint);
  team.hide("n3");
  NodePath apart = path(team, "n2", "n3");
  CHECK_EQ(apart.way, Way::None);
  CHECK_NE(apart.problem.find("no relay"), std::string::npos);
  team.make_relay("n1");
  NodePath met = path(team, "n2", "n3");
  CHECK_EQ(met.way, Way::Relay);
  CHECK_EQ(met.relay, "n1");
  CHECK(met.works());
  team.node("n1").set_state(pb::NODE_FENCED);
  CHECK_FALSE(path(team, "n2", "n3").works());
}

TEST_CASE("a node that is fenced or has no key is in the way; the bare network needs one backplane") {
  TestTeam team = some_team();
  team.node("n2").set_state(pb::NODE_FENCED);
  CHECK_NE(path(team, "n1", "n2").problem.find("fenced"), std::string::npos);
  team.node("n3").clear_mesh_keys();
  CHECK_NE(path(team, "n1", "n3").problem.find("no WireGuard key"), std::string::npos);
  team.network("office").set_encryption(pb::ENCRYPTION_NONE);
  CHECK(path(team, "n1", "n3").works());
  CHECK_FALSE(path(team, "n1", "n3").is_encrypted);
  team.node("n3").set_farm("barn");
  CHECK_FALSE(path(team, "n1", "n3").works());
}

TEST_CASE("a device's configuration is what WireGuard reads") {
  TestTeam team = some_team();
  team.add_access("office", "n1");
  NetworkView view = view_network(team.facts, "office").value();
  DeviceConfig config{"team", &view, &view.devices[0], choose_access(view, "").value(), {}, "SERVER=", "SECRET="};
  const std::string text = wireguard_config(config);
  for (const std::string& line :
       {std::string("[Interface]\nPrivateKey = SECRET=\nAddress = 10.42.0.9/32, " + view.devices[0].address6 + "/128\n"),
        std::string("DNS = 10.42.0.1, team.internal\n"), std::string("~team.internal"),
        std::string("MTU = 1340\n"), std::string("[Peer]\nPublicKey = SERVER=\nEndpoint = 10.250.0.11:20100\n"),
        std::string("AllowedIPs = 10.42.0.0/16, " + view.range6 + "\n"), std::string("PersistentKeepalive = 25\n")}) {
    CAPTURE(line);
    CHECK_NE(text.find(line), std::string::npos);
  }
}

TEST_CASE("of several access points one is taken, and the file names the others, those that serve first") {
  TestTeam team = some_team();
  team.add_access("office", "n1");
  NetworkView view = view_network(team.facts, "office").value();
  REQUIRE_EQ(view.access.size(), 1);
  CHECK(other_access(view, view.access[0]).empty());
  view.access.push_back({1, "n2", "10.250.0.12:20100", "10.42.0.20", false});
  view.access.push_back({2, "n3", "10.250.0.13:20100", "10.42.0.21", true});
  view.access.push_back({3, "n4", "", "10.42.0.22", true});  // nobody can call it
  const AccessPoint chosen = choose_access(view, "").value();
  CHECK_EQ(chosen.node, "n1");
  const std::vector<AccessPoint> others = other_access(view, chosen);
  REQUIRE_EQ(others.size(), 2);
  CHECK_EQ(others[0].node, "n3");
  CHECK_EQ(others[1].node, "n2");
  DeviceConfig config{"team", &view, &view.devices[0], chosen, others, "SERVER=", "SECRET="};
  const std::string text = wireguard_config(config);
  CHECK_NE(text.find("Endpoint = 10.250.0.11:20100\n"), std::string::npos);
  CHECK_NE(text.find("# wg set INTERFACE peer SERVER= endpoint 10.250.0.13:20100\n"), std::string::npos);
}

TEST_CASE("a network without access, with a hidden or another access point is answered plainly") {
  TestTeam team = some_team();
  CHECK_EQ(choose_access(view_network(team.facts, "office").value(), "").error().code, Code::Unsupported);
  team.add_access("office", "n1");
  CHECK_EQ(choose_access(view_network(team.facts, "office").value(), "n9").error().code, Code::NotFound);
  CHECK_EQ(choose_access(view_network(team.facts, "office").value(), "n1")->node, "n1");
  team.hide("n1");
  CHECK_EQ(choose_access(view_network(team.facts, "office").value(), "").error().code, Code::Unavailable);
  team.replica("office", 0).clear_node();
  CHECK_EQ(choose_access(view_network(team.facts, "office").value(), "").error().code, Code::Unavailable);
}
