#include "network/plan.h"

#include <doctest/doctest.h>

#include <chrono>

#include "network/firewall.h"
#include "network/test_plan_model.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

Ipv4 address(const char* text) { return Ipv4::parse(text).value(); }

PlanModel make_model() {
  return {[](bool is_so, const char* what) { CHECK_MESSAGE(is_so, what); }, {}};
}

// Rules, ways and an access point, at random.
void add_openings(Network& network, Random& random) {
  for (const Member& member : network.members) {
    if (random.below(2) == 0) {
      network.allow.push_back({{member.address}, {network.members[0].address}, "tcp", 80, 80});
    }
    uint16_t port = static_cast<uint16_t>(random.below(3));
    if (member.is_portal && random.below(2) == 0) {
      network.ways.push_back({"tcp", port, network.members[0].address, 80, member.netns});
    }
    if (member.is_portal && random.below(2) == 0) {
      WireGuardKey secret, key;
      secret.bytes[0] = 1;
      key.bytes[0] = static_cast<uint8_t>(2 + random.below(3));
      Ipv4 device{network.range.first.value + 100 + static_cast<uint32_t>(random.below(3))};
      network.access = Access{member.netns, static_cast<uint16_t>(51000 + network.vni), secret, {{key, device}}};
    }
  }
}

DesiredNetworks random_desired(Random& random) {
  DesiredNetworks desired;
  desired.backplane = address("10.251.0.1");
  desired.uplink = "uplink";
  desired.underlay_mtu = random.below(8) == 0 ? 1500 : 9000;
  desired.forbidden = {Range::parse("10.251.0.0/16").value()};
  for (uint32_t vni = 1; vni <= 4; ++vni) {
    if (random.below(3) == 0) continue;
    Network network;
    network.name = random.below(6) == 0 ? "other" : "default";
    network.vni = vni;
    network.range = Range::parse("10.42.0.0/16").value();
    network.range6 = random.below(4) == 0 ? "" : ula_range("chain", vni);
    network.underlay = static_cast<Underlay>(random.below(3));
    network.restricted = random.below(2) == 0;
    for (uint32_t i = 2; i < 7; ++i) {
      Ipv4 own{network.range.first.value + i};
      std::string netns =
          random.below(4) == 0 ? "shared-" + std::to_string(i) : "c" + std::to_string(vni) + "-" + std::to_string(i);
      uint64_t place = random.below(3);
      bool is_portal = random.below(4) == 0;
      if (is_portal) netns = "portal-" + std::to_string(vni) + "-" + std::to_string(i);
      if (place == 0) network.members.push_back({netns, "eth" + std::to_string(vni), own, is_portal});
      if (place == 1)
        network.remotes.push_back({own, Ipv4{address("10.251.0.2").value + static_cast<uint32_t>(random.below(3))}});
    }
    if (!network.members.empty() && random.below(2) == 0) {
      desired.publications.push_back({.port = static_cast<uint16_t>(8000 + random.below(3)),
                                      .vni = vni,
                                      .targets = {{network.members[0].address, 80}}});
    }
    add_openings(network, random);
    desired.networks.push_back(network);
  }
  return desired;
}

}  // namespace

TEST_CASE("a network may have narrower ways than its node") {
  DesiredNetworks desired{.backplane = *Ipv4::parse("10.251.0.1"), .uplink = "", .underlay_mtu = 9000};
  Network network{.contract = {}, .name = "net", .vni = 7, .range = *Range::parse("10.7.0.0/16")};
  network.underlay = Underlay::Mesh;
  auto mtu_of = [&](int underlay_mtu) {
    network.underlay_mtu = underlay_mtu;
    desired.networks = {network};
    for (const NetworkStep& step : plan(desired, {})) {
      if (const auto* create = std::get_if<CreateNetwork>(&step)) return create->shape.mtu;
    }
    return 0;
  };
  CHECK_EQ(mtu_of(0), 9000 - 80 - 50);
  CHECK_EQ(mtu_of(1500), 1500 - 80 - 50);
  CHECK_EQ(mtu_of(9500), 9000 - 80 - 50);
}

TEST_CASE("from any state, with steps cut short anywhere, planning again ends with exactly what is wanted") {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    testing::SimulatedRandom random(seed);
    PlanModel model = make_model();
    for (int round = 0; round < 6; ++round) {
      DesiredNetworks desired = round == 5 ? DesiredNetworks() : random_desired(random);
      model.actual.has_mesh = random.below(4) != 0;
      if (!model.actual.has_mesh) model(RemoveMeshFirewall{});
      for (int crashes = 0; crashes < 3; ++crashes) {
        auto steps = plan(desired, model.actual);
        if (steps.empty()) break;
        size_t until = random.below(steps.size());
        for (size_t i = 0; i < until; ++i) model.run(steps[i]);
        model.run_half(steps[until]);
      }
      for (const NetworkStep& step : plan(desired, model.actual)) model.run(step);
      auto left = plan(desired, model.actual);
      CHECK_EQ(left.size(), 0);
      if (!left.empty()) FAIL(describe(left[0]));
    }
    CHECK(model.actual.networks.empty());
    CHECK(model.actual.netns.empty());
    CHECK(model.actual.firewall.empty());
    CHECK(model.actual.mesh_firewall.empty());
    CHECK(model.actual.portals.empty());
    CHECK(model.actual.netns_firewalls.empty());
    CHECK(model.actual.proxied.empty());
  }
}

TEST_CASE("a network that stays keeps its members and its transit link while others come and go") {
  Network web{.name = "default",
              .vni = 7,
              .range = Range::parse("10.42.0.0/16").value(),
              .members = {{"web-0", "eth0", address("10.42.0.2")}}};
  Network db = web;
  db.vni = 8;
  db.members = {{"db-0", "eth0", address("10.42.0.2")}};
  DesiredNetworks both{.backplane = address("10.251.0.1"), .uplink = "uplink", .networks = {db, web}};
  PlanModel model = make_model();
  for (const NetworkStep& step : plan(both, model.actual)) model.run(step);
  uint32_t transit = model.actual.networks.at(8).shape->transit;
  DesiredNetworks one = both;
  one.networks = {db};
  for (const NetworkStep& step : plan(one, model.actual)) {
    CHECK_FALSE(std::holds_alternative<AttachMember>(step));
    CHECK_FALSE(std::holds_alternative<CreateNetwork>(step));
    model.run(step);
  }
  CHECK_EQ(model.actual.networks.at(8).shape->transit, transit);
  CHECK_FALSE(model.actual.networks.contains(7));
}

TEST_CASE("what contradicts itself is left out and named") {
  Network network{.name = "default", .vni = 7, .range = Range::parse("10.42.0.0/16").value()};
  network.members = {{"a", "eth0", address("10.42.0.2")},   {"b", "eth0", address("10.42.0.2")},  // address taken
                     {"a", "eth0", address("10.42.0.3")},                                         // interface taken
                     {"c", "eth0", address("10.42.0.1")},                                         // the gateway
                     {"d", "eth0", address("10.43.0.2")},                                         // outside
                     {"e/..", "eth0", address("10.42.0.4")}};
  Network twin = network;
  twin.name = "twin";
  DesiredNetworks desired{
      .backplane = address("10.251.0.1"), .uplink = "up\"; flush ruleset", .networks = {network, twin}};
  desired.publications = {{.port = 80, .vni = 7, .targets = {{address("10.42.0.2"), 80}}},
                          {.port = 80, .vni = 7, .targets = {{address("10.42.0.2"), 81}}},
                          {.port = 81, .vni = 7, .targets = {{address("10.42.0.99"), 81}}}};
  CHECK_EQ(complaints(desired).size(), 9);
  PlanModel model = make_model();
  for (const NetworkStep& step : plan(desired, model.actual)) model.run(step);
  CHECK_EQ(model.actual.networks.at(7).members.size(), 1);
  CHECK(node_rules(desired, Transits()).text.find("publications") != std::string::npos);
}

TEST_CASE("a publication through a portal leads to members of any node, and is left out without its portal or a range") {
  Network network{.name = "default", .vni = 7, .range = Range::parse("10.42.0.0/16").value()};
  network.members = {{"gate", "eth0", address("10.42.0.9"), true}};
  network.remotes = {{address("10.42.0.2"), address("10.251.0.2")}};
  DesiredNetworks desired{.backplane = address("10.251.0.1"), .uplink = "uplink", .networks = {network}};
  Publication good{Publication::Protocol::Udp, 5353, 7, {{address("10.42.0.2"), 53}}, "gate", {"192.0.2.0/24", "2001:db8::/32"}};
  desired.publications = {good};
  CHECK(complaints(desired).empty());
  for (auto spoil : std::vector<void (*)(Publication&)>{
           [](Publication& one) { one.portal = "gone"; }, [](Publication& one) { one.portal = ""; },
           [](Publication& one) { one.targets[0].address = address("10.43.0.2"); },
           [](Publication& one) { one.from.push_back("0.0.0.0/0 }; flush ruleset"); }, [](Publication&) {}}) {
    Publication other = good;
    spoil(other);
    desired.publications = {good, other};
    CHECK_EQ(complaints(desired).size(), 1);
  }
}

TEST_CASE("with 1,000 networks of 200 nodes a change costs steps for what changes alone") {
  DesiredNetworks desired{.backplane = address("10.251.0.1"), .uplink = "uplink"};
  for (uint32_t vni = 1; vni <= 1000; ++vni) {
    Network& network = desired.networks.emplace_back();
    network.name = "default";
    network.vni = vni;
    network.range = Range::parse("10.42.0.0/16").value();
    network.range6 = ula_range("chain", vni);
    network.underlay = Underlay::Mesh;
    network.members = {{"c-" + std::to_string(vni), "eth0", address("10.42.0.2")}};
    for (uint32_t node = 2; node <= 200; ++node) {
      network.remotes.push_back({Ipv4{network.range.first.value + 1 + node}, Ipv4{address("198.18.0.0").value + 4 * node}});
    }
  }
  PlanModel model = make_model();
  model.actual.has_mesh = true;
  auto planned = [&](const std::string& what) {
    auto start = std::chrono::steady_clock::now();
    auto steps = plan(desired, model.actual);
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    MESSAGE(what << ": " << steps.size() << " steps in " << took.count() << " ms");
    return steps;
  };
  for (const NetworkStep& step : planned("everything")) std::visit(model, step);
  CHECK_EQ(planned("nothing").size(), 0);
  desired.networks[499].remotes.push_back({address("10.42.1.99"), Ipv4{address("198.18.0.0").value + 4 * 7}});
  CHECK_EQ(planned("a member on a node that is a peer").size(), 1);
  desired.networks[498].remotes.push_back({address("10.42.1.99"), Ipv4{address("198.18.0.0").value + 4 * 777}});
  CHECK_EQ(planned("and one on a node that is none").size(), 4);
  desired.networks[499].remotes.pop_back();
  desired.networks[498].remotes.pop_back();
  desired.networks[499].members.push_back({"more", "eth0", address("10.42.1.99")});
  CHECK_EQ(planned("a member here").size(), 3);
}
