// The planner with a real machine: what it asks for is what is read, and a change leaves all else alone.
#include <doctest/doctest.h>

#include <algorithm>

#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/planner.h"
#include "network/test_plan_model.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

Planner::Wish wish_of(uint32_t vni) {
  Planner::Wish out;
  Network& network = out.networks.emplace_back();
  network.contract = ContractId::from_bytes(Bytes(32, static_cast<char>(vni))).value();
  network.name = "default";
  network.vni = vni;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = ula_range("test", vni);
  network.members = {{"web-" + std::to_string(vni), "eth0", ip("10.42.0.2")},
                     {"gate-" + std::to_string(vni), "eth0", ip("10.42.0.9"), true}};
  network.remotes = {{ip("10.42.0.3"), ip("172.16.0.2")}};
  return out;
}

bool operator==(const ActualNetwork& one, const ActualNetwork& other) {
  return one.shape == other.shape && one.firewall == other.firewall && one.members == other.members &&
         one.leftovers == other.leftovers && one.remotes == other.remotes && one.peers == other.peers &&
         one.has_underlay == other.has_underlay;
}

void check_same(const ActualNetworks& some, const ActualNetworks& all) {
  CHECK_EQ(some.forwarding, all.forwarding);
  CHECK_EQ(some.firewall, all.firewall);
  CHECK_EQ(some.has_mesh, all.has_mesh);
  CHECK_EQ(some.mesh_firewall, all.mesh_firewall);
  CHECK(std::equal(some.networks.begin(), some.networks.end(), all.networks.begin(), all.networks.end(),
                   [](const auto& one, const auto& other) { return one.first == other.first && one.second == other.second; }));
  CHECK(some.portals == all.portals);
  CHECK(some.netns == all.netns);
  CHECK(some.netns_leftovers == all.netns_leftovers);
  CHECK(some.netns_firewalls == all.netns_firewalls);
  CHECK(some.proxied == all.proxied);
}

// Until nothing is left to do; the steps in words.
std::string run(Machine& machine, Planner& planner) {
  std::string said;
  while (true) {
    Scope scope = planner.scope();
    ActualNetworks seen = machine.read(scope).value();
    check_same(seen, seen_in(machine.read().value(), scope));
    auto steps = planner.steps(seen);
    if (!steps.has_value()) {
      said += "somebody was here\n";
      continue;
    }
    if (steps->empty()) return said;
    for (const NetworkStep& step : *steps) {
      REQUIRE(machine.execute(step).has_value());
      planner.done(step);
      said += describe(step) + "\n";
    }
  }
}

}  // namespace

TEST_CASE("of several networks on a machine the one that changes is read and changed, the others are not") {
  if (!can_make_networks()) return;
  Nodes nodes(1);
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  Machine& machine = *nodes.machines[0];
  Planner planner;
  planner.set_node(nodes.base(0));
  for (uint32_t vni : {7u, 8u, 9u}) planner.set(std::to_string(vni), wish_of(vni));
  CHECK_NE(run(machine, planner).find("create network 9"), std::string::npos);
  CHECK(planner.scope().vnis.empty());

  Planner::Wish other = wish_of(8);
  other.networks[0].remotes.push_back({ip("10.42.0.4"), ip("172.16.0.2")});
  planner.set("8", other);
  CHECK(planner.scope().vnis == std::set<uint32_t>{8});
  CHECK_EQ(run(machine, planner), "find 10.42.0.4 of network 8 on node 172.16.0.2\n");

  // Who takes the node's rules away is noticed with the next change.
  shell(nodes.places[0], "nft flush ruleset");
  planner.set("8", wish_of(8));
  CHECK_EQ(run(machine, planner), "set the node's rules\nforget 10.42.0.4 of network 8\n");
  for (const VxlanSource& source : machine.read().value().sources) CHECK_EQ(source.node, ip("172.16.0.2"));
  CHECK_EQ(machine.read().value().sources.size(), 3);

  for (uint32_t vni : {7u, 8u, 9u}) planner.remove(std::to_string(vni));
  run(machine, planner);
  ActualNetworks left = machine.read().value();
  CHECK((left.networks.empty() && left.netns.empty() && left.portals.empty() && left.firewall.empty()));
}
