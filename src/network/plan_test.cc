#include "network/plan.h"

#include <doctest/doctest.h>

#include "network/firewall.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

Ipv4 address(const char* text) { return Ipv4::parse(text).value(); }

// The machine as the planner believes it to be. Refuses what a real one would refuse.
struct Model {
  ActualNetworks actual;

  void operator()(const EnableForwarding&) { actual.forwarding = true; }
  void operator()(const SetNodeFirewall& step) { actual.firewall = step.revision; }
  void operator()(const RemoveNodeFirewall&) { actual.firewall.clear(); }
  void operator()(const CreateNetwork& step) {
    for (const auto& [vni, other] : actual.networks) {
      if (vni != step.shape.vni && other.shape.has_value()) CHECK_NE(other.shape->transit, step.shape.transit);
    }
    actual.networks[step.shape.vni] = {};
    actual.networks[step.shape.vni].shape = step.shape;
  }
  void operator()(const RemoveNetwork& step) { actual.networks.erase(step.vni); }
  void operator()(const SetNetworkFirewall& step) { actual.networks.at(step.vni).firewall = step.revision; }
  void operator()(const SetPeer& step) { actual.networks.at(step.vni).peers.insert(step.node); }
  void operator()(const RemovePeer& step) { actual.networks.at(step.vni).peers.erase(step.node); }
  void operator()(const SetRemote& step) {
    actual.networks.at(step.vni).remotes[step.remote.address] = step.remote.node;
  }
  void operator()(const RemoveRemote& step) { actual.networks.at(step.vni).remotes.erase(step.address); }
  void operator()(const CreateNetns& step) {
    CHECK_FALSE(actual.netns.contains(step.netns));
    actual.netns.insert(step.netns);
    actual.netns_leftovers.erase(step.netns);
  }
  // With a namespace go the ends of its members' links.
  void operator()(const RemoveNetns& step) {
    actual.netns.erase(step.netns);
    actual.netns_leftovers.erase(step.netns);
    for (auto& [vni, network] : actual.networks) {
      std::erase_if(network.members, [&](const Member& member) { return member.netns == step.netns; });
    }
  }
  void operator()(const AttachMember& step) {
    ActualNetwork& network = actual.networks.at(step.vni);
    CHECK_FALSE(actual.firewall.empty());
    CHECK_FALSE(network.firewall.empty());
    CHECK(actual.netns.contains(step.member.netns));
    network.leftovers.erase(step.member.address);
    network.members.insert(step.member);
  }
  void operator()(const DetachMember& step) {
    ActualNetwork& network = actual.networks.at(step.vni);
    network.leftovers.erase(step.address);
    std::erase_if(network.members, [&](const Member& member) { return member.address == step.address; });
  }

  void run(const NetworkStep& step) { std::visit(*this, step); }

  // A step that was cut short leaves a trace that is not what was wanted.
  void run_half(const NetworkStep& step) {
    if (const auto* attach = std::get_if<AttachMember>(&step)) {
      actual.networks.at(attach->vni).leftovers.insert(attach->member.address);
    } else if (const auto* create = std::get_if<CreateNetwork>(&step)) {
      actual.networks[create->shape.vni] = {};
    } else if (const auto* remove = std::get_if<RemoveNetwork>(&step)) {
      actual.networks[remove->vni] = {};
    } else if (const auto* netns = std::get_if<CreateNetns>(&step)) {
      actual.netns_leftovers.insert(netns->netns);
    }
  }
};

DesiredNetworks random_desired(Random& random) {
  DesiredNetworks desired;
  desired.backplane = address("10.251.0.1");
  desired.uplink = "uplink";
  desired.underlay_mtu = random.below(8) == 0 ? 1500 : 9000;
  desired.forbidden = {Range::parse("10.251.0.0/16").value()};
  for (uint32_t vni = 1; vni <= 4; ++vni) {
    if (random.below(3) == 0) continue;
    Network network{
        .name = random.below(6) == 0 ? "other" : "default", .vni = vni, .range = Range::parse("10.42.0.0/16").value()};
    for (uint32_t i = 2; i < 7; ++i) {
      Ipv4 own{network.range.first.value + i};
      std::string netns =
          random.below(4) == 0 ? "shared-" + std::to_string(i) : "c" + std::to_string(vni) + "-" + std::to_string(i);
      uint64_t place = random.below(3);
      if (place == 0) network.members.push_back({netns, "eth" + std::to_string(vni), own});
      if (place == 1)
        network.remotes.push_back({own, Ipv4{address("10.251.0.2").value + static_cast<uint32_t>(random.below(3))}});
    }
    if (!network.members.empty() && random.below(2) == 0) {
      desired.publications.push_back({.port = static_cast<uint16_t>(8000 + random.below(3)),
                                      .vni = vni,
                                      .targets = {{network.members[0].address, 80}}});
    }
    desired.networks.push_back(network);
  }
  return desired;
}

}  // namespace

TEST_CASE("from any state, with steps cut short anywhere, planning again ends with exactly what is wanted") {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    testing::SimulatedRandom random(seed);
    Model model;
    for (int round = 0; round < 6; ++round) {
      DesiredNetworks desired = round == 5 ? DesiredNetworks() : random_desired(random);
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
  Model model;
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
  Model model;
  for (const NetworkStep& step : plan(desired, model.actual)) model.run(step);
  CHECK_EQ(model.actual.networks.at(7).members.size(), 1);
  CHECK(node_rules(desired, {}).text.find("publications") != std::string::npos);
}
