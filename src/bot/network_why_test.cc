#include "bot/network_why.h"

#include <doctest/doctest.h>

#include "bot/test_network.h"

using namespace mcloud;
using namespace mcloud::bot;

namespace {

TestTeam team_of_two() {
  TestTeam team;
  for (const char* name : {"n1", "n2", "n3"}) team.add_node(name);
  team.add_container("db", "office", {"n2"});
  team.add_container("web", "office", {"n1"});
  return team;
}

Why why(TestTeam& team, const char* from, const char* to) {
  ConnectionEnd origin = parse_from(from).value();
  ConnectionEnd target = parse_to(to).value();
  Result<Why> answer = explain(team.facts, origin, target);
  REQUIRE_MESSAGE(answer.has_value(), answer.error().message);
  return *answer;
}

// The steps that stand in the way.
std::string trouble(const Why& answer) {
  std::string text;
  for (const WhyStep& step : answer.steps) {
    if (!step.works) text += step.text + "\n";
  }
  return text;
}

bool says(const Why& answer, std::string_view what) {
  return std::any_of(answer.steps.begin(), answer.steps.end(),
                     [&](const WhyStep& step) { return step.text.find(what) != std::string::npos; });
}

}  // namespace

TEST_CASE("the ends of a connection are read as people write them") {
  ConnectionEnd end = parse_to("team/db-0:5432/udp").value();
  CHECK_EQ(end.contract, "team");
  CHECK_EQ(end.name, "db-0");
  CHECK_EQ(end.port, "5432");
  CHECK_EQ(end.protocol, "udp");
  CHECK_EQ(parse_to("db:sql")->port, "sql");
  CHECK(parse_to("team/device:laptop:22")->is_device);
  CHECK(parse_from("team/device:laptop")->is_device);
  CHECK(parse_from("internet")->is_internet);
  for (const char* wrong : {"", "db", "db:", ":5432", "team/:1", "/db:1", "a/b/c:1", "team/device::1", "DB:1", "db:54 32"}) {
    CAPTURE(wrong);
    CHECK_EQ(parse_to(wrong).error().code, Code::Invalid);
  }
  for (const char* wrong : {"", "/", "team/", "team/device:", "Team/web"}) {
    CAPTURE(wrong);
    CHECK_EQ(parse_from(wrong).error().code, Code::Invalid);
  }
}

TEST_CASE("a connection that should work names every hop") {
  TestTeam team = team_of_two();
  Why answer = why(team, "team/web", "db:sql");
  CHECK(answer.works);
  CHECK(says(answer, "web-0 is running on n1"));
  CHECK(says(answer, "db.team.internal leads to db-0"));
  CHECK(says(answer, "both are in network office"));
  CHECK(says(answer, "no allow list"));
  CHECK(says(answer, "backplane 10.251.0.1 to 10.251.0.2, WireGuard with a preshared key"));
  CHECK(says(answer, "db listens on tcp 5432 (sql)"));
}

TEST_CASE("what stands in the way is named: the replica, the rule, the way, the network") {
  TestTeam team = team_of_two();
  SUBCASE("nothing serves") {
    team.replica("db", 0).set_state(pb::REPLICA_RESTARTING);
    team.replica("db", 0).set_message("exit code 1");
    Why answer = why(team, "team/web", "db:5432");
    CHECK_FALSE(answer.works);
    CHECK_NE(trouble(answer).find("db.team.internal has no address: db-0 is restarting on n2: exit code 1"), std::string::npos);
  }
  SUBCASE("no rule") {
    team.allow("web", "db", "tcp", 5433);
    Why answer = why(team, "team/web", "db:5432");
    CHECK_FALSE(answer.works);
    CHECK_NE(trouble(answer).find("no rule of network office allows web -> db tcp 5432"), std::string::npos);
    CHECK_NE(trouble(answer).find("only: web -> db:5433/tcp"), std::string::npos);
    CHECK(why(team, "team/web", "db:5433").works);
    CHECK_FALSE(why(team, "team/web", "db:5433/udp").works);
    CHECK_FALSE(why(team, "team/db", "web:5433").works);
  }
  SUBCASE("no way between the nodes") {
    team.hide("n1");
    team.hide("n2");
    Why answer = why(team, "team/web", "db:5432");
    CHECK_FALSE(answer.works);
    CHECK_NE(trouble(answer).find("no relay is online"), std::string::npos);
    team.make_relay("n3");
    CHECK(why(team, "team/web", "db:5432").works);
  }
  SUBCASE("no network in common") {
    team.add_network("lab", "10.43.0.0/16");
    team.add_container("probe", "lab", {"n3"});
    Why answer = why(team, "team/probe", "db:5432");
    CHECK_FALSE(answer.works);
    CHECK_NE(trouble(answer).find("probe-0 is in lab, db-0 in office"), std::string::npos);
  }
  SUBCASE("another contract") {
    Why answer = explain_apart(parse_from("other/web").value(), parse_to("team/db:5432").value());
    CHECK_FALSE(answer.works);
  }
}

TEST_CASE("one replica that can be reached is enough") {
  TestTeam team = team_of_two();
  team.add_container("cache", "office", {"n2", "n3"});
  team.node("n3").clear_mesh_keys();
  Why answer = why(team, "team/web", "cache:5432");
  CHECK(answer.works);
  CHECK_NE(trouble(answer).find("cache-1"), std::string::npos);
}

TEST_CASE("a device comes in at the access point and is held to the rules") {
  TestTeam team = team_of_two();
  team.add_access("office", "n3");
  Why answer = why(team, "team/device:laptop", "web:5432");
  CHECK(answer.works);
  CHECK(says(answer, "device laptop calls the access point on n3 at 10.250.0.13:20100"));
  team.allow("device:laptop", "db");
  CHECK(why(team, "team/device:laptop", "db:5432").works);
  CHECK_FALSE(why(team, "team/device:laptop", "web:5432").works);
  team.replica("office", 0).set_state(pb::REPLICA_PREPARING);
  CHECK_NE(trouble(why(team, "team/device:laptop", "db:5432")).find("no access point"), std::string::npos);
}

TEST_CASE("the way out to the world is explained: by which network, which rule, which node") {
  TestTeam team = team_of_two();
  CHECK(says(why(team, "team/web", "192.0.2.1:443"), "no allow list: its members may go out"));
  team.allow("web", "db", "tcp", 5432);
  Why closed = why(team, "team/web", "192.0.2.1:443");
  CHECK_FALSE(closed.works);
  CHECK_NE(trouble(closed).find("\"web -> world:443\" in `allow` would"), std::string::npos);
  team.allow("any", "any");
  CHECK_FALSE(why(team, "team/web", "world:443").works);  // members, not the world
  team.allow("web", "world", "tcp", 443);
  for (const char* open : {"192.0.2.1:443", "[2001:db8::1]:443", "world:443"}) {
    CAPTURE(open);
    Why answer = why(team, "team/web", open);
    CHECK(answer.works);
    CHECK(says(answer, "rule \"web -> world:443/tcp\" allows it, checked at web"));
    CHECK(says(answer, "the uplink of n1"));
  }
  for (const char* shut : {"192.0.2.1:80", "192.0.2.1:443/udp", "198.18.0.4:443", "[fd00::1]:443", "[fe80::1]:443", "10.42.0.3:443"}) {
    CAPTURE(shut);
    CHECK_FALSE(why(team, "team/web", shut).works);
  }
  CHECK_FALSE(why(team, "team/db", "192.0.2.1:443").works);
  team.add_access("office", "n3");
  CHECK_FALSE(why(team, "team/device:laptop", "192.0.2.1:443").works);
  CHECK_EQ(parse_to("world:https").error().code, Code::Invalid);
}

TEST_CASE("who is not there is answered with the nearest name") {
  TestTeam team = team_of_two();
  auto code = [&](const char* from, const char* to) {
    return explain(team.facts, parse_from(from).value(), parse_to(to).value()).error().code;
  };
  CHECK_EQ(code("team/wbe", "db:1"), Code::NotFound);
  CHECK_EQ(code("team/web-7", "db:1"), Code::NotFound);
  CHECK_EQ(code("team/web", "db:sqll"), Code::NotFound);
  CHECK_EQ(code("team/web", "db:70000"), Code::Invalid);
  CHECK_EQ(code("team/device:phone", "db:1"), Code::NotFound);
  CHECK_EQ(code("internet", "shop:443"), Code::NotFound);
}

TEST_CASE("strangers reach what is published at gateways, direct or by tunnel, and nothing else") {
  TestTeam team = team_of_two();
  CHECK_FALSE(why(team, "internet", "db:5432").works);
  team.node("n3").mutable_addresses()->mutable_gateway()->set_domain("gw.example");
  pb::Facets& facets = *team.facts.header.add_workloads();
  facets.set_name("site");
  facets.add_spaces("office");
  team.facts.body.add_workloads()->set_name("site");
  team.sort();
  pb::Site& site = *team.body("site").mutable_publish()->mutable_site();
  site.set_mode(pb::SITE_HTTP);
  site.add_names("shop");
  pb::Backend& backend = *site.add_routes()->add_backends();
  backend.set_target("web");
  backend.set_port(5432);
  team.place("site", {"n3"});
  Why direct = why(team, "internet", "site:80");
  CHECK(direct.works);
  CHECK(says(direct, "shop.gw.example"));
  CHECK(says(direct, "n3 to web-0 port 5432: backplane"));
  CHECK(why(team, "internet", "web:5432").works);
  site.set_exposure(pb::EXPOSURE_TUNNEL);
  CHECK(says(why(team, "internet", "site:80"), "through the tunnel that n1 opens to n3"));
  team.replica("web", 0).set_state(pb::REPLICA_RESTARTING);
  CHECK_FALSE(why(team, "internet", "site:80").works);
  team.replica("web", 0).set_state(pb::REPLICA_RUNNING);
  team.replica("site", 0).set_state(pb::REPLICA_PREPARING);
  CHECK_FALSE(why(team, "internet", "site:80").works);
}
