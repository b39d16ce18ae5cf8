#include "ledger/state/placement.h"

#include <doctest/doctest.h>

#include <optional>
#include <tuple>

#include "ledger/state/test_chain.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr uint64_t kGiB = 1ull << 30;

// Nodes "a", "b", ... as keys and names, online, in farm "farm" of BE.
struct Field {
  Nodes nodes;
  std::vector<pb::Facets> members = {test_facets("web", 1)};
  Ask ask;

  explicit Field(int count) {
    for (int i = 0; i < count; ++i) {
      std::string key(1, static_cast<char>('a' + i));
      pb::Node& node = nodes[key];
      node.set_key(key);
      node.set_name(key);
      node.set_farm("farm");
      node.set_country("BE");
      node.set_state(pb::NODE_ONLINE);
      *node.mutable_capacity() = TestChain::test_capacity();
    }
    ask.contract = "contract";
  }
  pb::Facets& web() { return members[0]; }
  pb::Placement& placement() { return *members[0].mutable_placement(); }
  pb::Node& operator[](const char* key) { return nodes[key]; }
  Choice choose() {
    ask.members.clear();
    for (const pb::Facets& member : members) ask.members.push_back(&member);
    return choose_node(ask, nodes);
  }
  std::string place() { return choose().node; }
  std::string lacking() { return choose().lacking; }
};

// What the header of placement.h promises, said once more and slowly: the best of those that may, "" when none may.
Bytes slowly(const Ask& ask, const Nodes& nodes) {
  const pb::Placement& placement = ask.members.front()->placement();
  pb::Demand demand = total_demand(ask.members);
  std::map<std::string, int> claims;
  for (const pb::Facets* member : ask.members) {
    for (const std::string& claim : member->claims()) {
      if (++claims[claim] > 1) return "";
    }
  }
  std::optional<std::tuple<uint32_t, int64_t, double, Bytes>> best;
  for (const auto& [key, node] : nodes) {
    auto found = ask.neighbours.find(key);
    Neighbours near = found == ask.neighbours.end() ? Neighbours() : found->second;
    bool may = node.state() == pb::NODE_ONLINE && (ask.only.empty() ? !node.draining() : ask.only == key);
    may = may && (placement.pin().empty() || placement.pin() == key) && !ask.excluded.contains(key) && near.apart == 0;
    may = may && (placement.farms().empty() || placement.farms(0) == node.farm());
    may = may && (ask.openers == nullptr || ask.openers->contains(key)) && fits(node, demand);
    may = may && (placement.spread() != pb::SPREAD_REQUIRE || near.replicas == 0);
    if (ask.crowds != nullptr && ask.crowds->contains(key))
      may = may && ask.crowds->at(key) + ask.members.size() <= kReplicasPerNodeMax;
    for (const pb::Facets* member : ask.members) may = may && foreign_claim(node, ask.contract, *member) == nullptr;
    if (!may) continue;
    auto load = static_cast<double>((node.used().cpu_milli() + demand.cpu_milli()) * 1'000'000 / node.capacity().cpu_milli());
    bool packs = placement.spread() == pb::SPREAD_PACK;
    std::tuple score{packs ? 0 : near.replicas, -int64_t{near.together}, packs ? -load : load, key};
    if (!best || score < *best) best = score;
  }
  return best ? std::get<3>(*best) : Bytes();
}

}  // namespace

TEST_CASE("of all that a node must be and may be, the choice is what slow looking finds") {
  size_t placed = 0, placeless = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    CAPTURE(seed);
    testing::SimulatedRandom random(seed);
    auto one_in = [&](uint64_t bound) { return random.below(bound) == 0; };
    Field field(static_cast<int>(1 + random.below(8)));
    Crowds crowds;
    std::set<Bytes, std::less<>> openers;
    for (auto& [key, node] : field.nodes) {
      node.mutable_used()->set_cpu_milli(random.below(5) * 900);
      node.set_draining(one_in(5));
      if (one_in(6)) node.set_state(pb::NODE_FENCED);
      if (one_in(4)) node.set_farm("other");
      if (one_in(4)) node.add_claims()->set_name("tcp/80");
      if (one_in(2)) crowds[key] = one_in(3) ? kReplicasPerNodeMax - 1 : random.below(10);
      if (one_in(6)) field.ask.excluded[key] = "broke";
      if (one_in(3)) field.ask.neighbours[key] = {static_cast<uint32_t>(random.below(3)), static_cast<uint32_t>(random.below(2)),
                                                  static_cast<uint32_t>(random.below(5) / 4)};
      if (!one_in(4)) openers.insert(key);
    }
    if (one_in(3)) field.members.push_back(test_facets("data", 1));
    for (pb::Facets& member : field.members) {
      if (one_in(4)) member.add_claims(one_in(2) ? "tcp/80" : "tcp/81");
    }
    if (one_in(4)) field.placement().add_farms("farm");
    if (one_in(8)) field.placement().set_pin("b");
    if (one_in(8)) field.ask.only = "c";
    const pb::Spread spreads[] = {pb::SPREAD_PREFER, pb::SPREAD_REQUIRE, pb::SPREAD_PACK};
    field.placement().set_spread(spreads[random.below(3)]);
    if (one_in(3)) field.ask.openers = &openers;
    if (one_in(2)) field.ask.crowds = &crowds;
    Choice choice = field.choose();
    REQUIRE_EQ(choice.node, slowly(field.ask, field.nodes));
    CHECK_EQ(choice.node.empty(), !choice.lacking.empty());
    ++(choice.node.empty() ? placeless : placed);
  }
  CHECK_GT(placed, 1000);
  CHECK_GT(placeless, 500);
}

TEST_CASE("ties go to the smallest key, else the least loaded node is chosen") {
  Field field(3);
  CHECK_EQ(field.place(), "a");
  field["a"].mutable_used()->set_cpu_milli(1000);
  CHECK_EQ(field.place(), "b");
  field["b"].mutable_used()->set_memory_bytes(2 * kGiB);  // the fullest dimension counts
  CHECK_EQ(field.place(), "c");
  field["c"].mutable_used()->set_pids(9000);
  CHECK_EQ(field.place(), "a");
}

TEST_CASE("pack fills the fullest node that still fits") {
  Field field(3);
  field.placement().set_spread(pb::SPREAD_PACK);
  field["b"].mutable_used()->set_cpu_milli(3000);
  CHECK_EQ(field.place(), "b");
  field["b"].mutable_used()->set_cpu_milli(3600);
  CHECK_EQ(field.place(), "a");
}

TEST_CASE("replicas spread while there are enough nodes, and only then when it is required") {
  Field field(2);
  field.ask.neighbours["a"].replicas = 1;
  field["b"].mutable_used()->set_cpu_milli(3000);
  CHECK_EQ(field.place(), "b");
  field.ask.neighbours["b"].replicas = 2;
  CHECK_EQ(field.place(), "a");
  field.placement().set_spread(pb::SPREAD_REQUIRE);
  CHECK_EQ(field.place(), "");
  CHECK_EQ(field.lacking(), "spread: a replica is already on any of 2 eligible nodes");
}

TEST_CASE("together is preferred, apart is required") {
  Field field(3);
  field.ask.neighbours["c"].together = 1;
  CHECK_EQ(field.place(), "c");
  field.ask.neighbours["c"].apart = 1;
  CHECK_EQ(field.place(), "a");
  field.ask.neighbours["a"].apart = field.ask.neighbours["b"].apart = 1;
  CHECK_EQ(field.lacking(), "apart: a workload it must not share a node with is on any of 3 eligible nodes");
}

TEST_CASE("farm, country, labels and pin narrow the choice and are named when nobody fits") {
  Field field(3);
  field["b"].set_farm("other");
  field["c"].set_country("CH");
  pb::Label* label = field["b"].add_labels();
  label->set_key("disk");
  label->set_value("ssd");

  field.placement().add_farms("other");
  CHECK_EQ(field.place(), "b");
  field.placement().add_countries("CH");
  CHECK_EQ(field.lacking(), "country: needs CH, not the country of the only eligible node (b)");
  field.placement().clear_countries();
  *field.placement().add_labels() = *label;
  CHECK_EQ(field.place(), "b");
  field.placement().mutable_labels(0)->set_value("hdd");
  CHECK_EQ(field.lacking(), "label: needs disk=hdd, not a label of the only eligible node (b)");
  field.placement().clear_labels();
  field.placement().set_farms(0, "nowhere");
  CHECK_EQ(field.lacking(), "farm: needs nowhere, not the farm of any of 3 eligible nodes");
  field.placement().clear_farms();
  field.placement().set_pin("c");
  CHECK_EQ(field.place(), "c");
  field.placement().set_pin(Bytes("\x12\x34\x56\x78", 4));
  CHECK_EQ(field.lacking(), "pin: node 12345678 is not among the nodes it may use");
}

TEST_CASE("nodes that are fenced, draining, excluded or cannot open the secrets are left out") {
  Field field(4);
  field["a"].set_state(pb::NODE_FENCED);
  field["b"].set_draining(true);
  field.ask.excluded["c"] = "image: no space left";
  CHECK_EQ(field.place(), "d");
  std::set<Bytes, std::less<>> openers = {"a", "b", "c"};
  field.ask.openers = &openers;
  CHECK_EQ(field.lacking(), "it could not run lately on the only eligible node (c): image: no space left");
  openers.clear();
  CHECK_EQ(field.lacking(),
           "secrets: sealed for others, not for any of 3 eligible nodes; the owner must reseal them");
  field.ask.openers = nullptr;
  for (auto& [key, node] : field.nodes) node.set_state(pb::NODE_FENCED);
  CHECK_EQ(field.lacking(), "node: none is online of any of 4 eligible nodes");
  CHECK_EQ(Field(0).lacking(), "no node has joined");
}

TEST_CASE("a name is claimed by one workload per node") {
  Field field(2);
  field.web().add_claims("tcp/8080");
  pb::NodeClaim* claim = field["a"].add_claims();
  claim->set_name("tcp/8080");
  claim->set_contract("contract");
  claim->set_workload("web");
  CHECK_EQ(field.place(), "a");  // its own: another replica of the same workload
  claim->set_workload("other");
  CHECK_EQ(field.place(), "b");
  *field["b"].add_claims() = *claim;
  CHECK_EQ(field.lacking(), "claim: another workload has tcp/8080 on any of 2 eligible nodes");
}

TEST_CASE("capacity is never exceeded, and what lacks is said with its amount") {
  Field field(5);
  for (auto& [key, node] : field.nodes) node.mutable_used()->set_memory_bytes(3 * kGiB);
  field["c"].mutable_used()->set_memory_bytes(4 * kGiB - kGiB * 6 / 5);
  field.web().mutable_demand()->set_memory_bytes(kGiB);
  field["c"].mutable_used()->set_cpu_milli(3500);
  CHECK_EQ(field.place(), "a");
  field.web().mutable_demand()->set_memory_bytes(kGiB + 1);
  CHECK_EQ(field.place(), "c");
  field.web().mutable_demand()->set_memory_bytes(2 * kGiB);
  CHECK_EQ(field.lacking(), "memory: needs 2GiB, the most any of 5 eligible nodes has free is 1.1GiB");
  field.web().mutable_demand()->set_memory_bytes(kGiB + 1);
  field.web().mutable_demand()->set_cpu_milli(4000);
  field["c"].mutable_used()->set_cpu_milli(1);
  CHECK_EQ(field.lacking().substr(0, 50), "capacity: any of 5 eligible nodes has something of");
}

TEST_CASE("a bundle needs the sum of its members on one node") {
  Field field(2);
  field.members.push_back(test_facets("data", 1));
  field.web().mutable_demand()->set_memory_bytes(2 * kGiB);
  field.members[1].mutable_demand()->set_memory_bytes(2 * kGiB);
  CHECK_EQ(field.place(), "a");
  field["a"].mutable_used()->set_memory_bytes(1);
  CHECK_EQ(field.place(), "b");
  field["b"].mutable_used()->set_memory_bytes(1);
  CHECK_EQ(field.place(), "");
}

TEST_CASE("a bundle whose members claim the same name has no place") {
  Field field(2);
  field.members.push_back(test_facets("twin", 1));
  for (pb::Facets& member : field.members) member.add_claims("tcp/80");
  CHECK_EQ(field.lacking(), "claim: two of what stands together claim tcp/80");
}

TEST_CASE("in place means this node only, even while it drains") {
  Field field(3);
  field["b"].set_draining(true);
  field.ask.only = "b";
  CHECK_EQ(field.place(), "b");
  field["b"].mutable_used()->set_cpu_milli(3900);
  CHECK_EQ(field.place(), "");
}

TEST_CASE("the largest amounts do not overflow") {
  Field field(1);
  pb::Demand& capacity = *field["a"].mutable_capacity();
  for (auto set : {&pb::Demand::set_cpu_milli, &pb::Demand::set_memory_bytes, &pb::Demand::set_disk_bytes,
                   &pb::Demand::set_pids}) {
    (capacity.*set)(1ull << 56);
    (field.web().mutable_demand()->*set)(1ull << 56);
  }
  CHECK_EQ(field.place(), "a");
  field["a"].mutable_used()->set_disk_bytes(1);
  CHECK_EQ(field.place(), "");
}
