// The planner that goes by what changes says the same as the one that looks at all, on histories of every kind.
#include "network/planner.h"

#include <doctest/doctest.h>

#include "network/test_plan_model.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

using Groups = std::map<std::string, Planner::Wish>;

Ipv4 address(uint32_t last) { return Ipv4{Ipv4::parse("10.42.0.0").value().value + last}; }

PlanModel make_model() {
  return {[](bool is_so, const char* what) { CHECK_MESSAGE(is_so, what); }, {}};
}

DesiredNetworks all_of(const DesiredNetworks& node, const Groups& groups) {
  DesiredNetworks all = node;
  for (const auto& [name, wish] : groups) {
    all.networks.insert(all.networks.end(), wish.networks.begin(), wish.networks.end());
    all.publications.insert(all.publications.end(), wish.publications.begin(), wish.publications.end());
  }
  return all;
}

class History {
 public:
  explicit History(uint64_t seed) : random_(seed), model_(make_model()) {
    model_.actual.has_mesh = true;
    node_.backplane = Ipv4::parse("10.251.0.1").value();
    node_.uplink = "uplink";
    planner_.set_node(node_);
  }

  void run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      CAPTURE(round);
      change();
      go_some_way();
      if (is_one_in(3)) settle();
    }
    while (!groups_.empty()) set(groups_.begin()->first, {});
    settle();
    CHECK(model_.actual.networks.empty());
    CHECK(model_.actual.netns.empty());
    CHECK(model_.actual.portals.empty());
    CHECK(model_.actual.firewall.empty());
    CHECK(model_.actual.mesh_firewall.empty());
  }

  size_t compared = 0, visited = 0, wanted = 0, doubts = 0, refused = 0;

 private:
  bool is_one_in(uint64_t bound) { return random_.below(bound) == 0; }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_.below(bound)); }

  void set(const std::string& name, Planner::Wish wish) {
    planner_.set(name, wish);
    if (wish == Planner::Wish()) {
      groups_.erase(name);
    } else {
      groups_[name] = std::move(wish);
    }
  }

  // Names and numbers are mostly a group's own; those that are not contradict each other.
  Network network(uint32_t group, uint32_t index) {
    Network out;
    out.vni = is_one_in(8) ? 1 + below(30) : 1 + group * 3 + index;
    out.contract = ContractId::from_bytes(Bytes(32, static_cast<char>('a' + group))).value();
    out.name = is_one_in(6) ? "other" : "default";
    out.range = Range::parse("10.42.0.0/16").value();
    out.range6 = is_one_in(4) ? "" : ula_range("chain", out.vni);
    out.underlay = static_cast<Underlay>(below(3));
    if (out.underlay == Underlay::Plain && is_one_in(4)) out.bridge = "lan" + std::to_string(below(3));
    out.restricted = is_one_in(2);
    for (uint32_t i = 2; i < 7; ++i) {
      uint32_t place = below(3);
      if (place == 1) out.remotes.push_back({address(i), Ipv4{Ipv4::parse("198.18.0.0").value().value + 4 * (2 + below(4))}});
      if (place != 0) continue;
      Member member{.netns = "c" + std::to_string(group) + "-" + std::to_string(i), .interface = "eth" + std::to_string(index),
                    .address = address(i), .is_portal = is_one_in(4)};
      if (member.is_portal) member.netns = "p" + std::to_string(group) + "-" + std::to_string(index) + "-" + std::to_string(i);
      if (is_one_in(10)) member.netns = "shared-" + std::to_string(below(3));
      out.members.push_back(member);
    }
    add_openings(out);
    return out;
  }

  void add_openings(Network& network) {
    for (const Member& member : network.members) {
      if (is_one_in(3)) network.allow.push_back({{member.address}, {network.members[0].address}, "tcp", 80, 80});
      if (member.is_portal && is_one_in(2)) network.ways.push_back({"tcp", 1000, network.members[0].address, 80, member.netns});
      if (!member.is_portal || !is_one_in(2)) continue;
      WireGuardKey secret, key;
      secret.bytes[0] = 1;
      key.bytes[0] = static_cast<uint8_t>(2 + below(3));
      auto port = static_cast<uint16_t>(is_one_in(4) ? 51000 : 51000 + network.vni);
      network.access = Access{member.netns, port, secret, {{key, address(100 + below(3))}}};
    }
  }

  Planner::Wish wish(uint32_t group) {
    Planner::Wish out;
    for (uint32_t index = 0; index < 3; ++index) {
      if (!is_one_in(3)) out.networks.push_back(network(group, index));
    }
    for (uint32_t left = below(3); left > 0 && !out.networks.empty(); --left) {
      const Network& into = out.networks[below(static_cast<uint32_t>(out.networks.size()))];
      Publication publication{.protocol = is_one_in(2) ? Publication::Protocol::Tcp : Publication::Protocol::Udp,
                              .port = static_cast<uint16_t>(is_one_in(3) ? 8000 + below(4) : 9000 + 10 * group + left),
                              .vni = is_one_in(8) ? 1 + below(30) : into.vni};
      Ipv4 target = into.members.empty() ? address(2) : into.members[0].address;
      publication.targets = {{target, 80}};
      if (!into.members.empty() && into.members.back().is_portal && is_one_in(2)) {
        publication.portal = into.members.back().netns;
        if (is_one_in(2)) publication.from = {"192.0.2.0/24"};
      }
      out.publications.push_back(publication);
    }
    return out;
  }

  // A little of a group's wish, or all of it.
  void change_group() {
    uint32_t group = below(8);
    std::string name = "g" + std::to_string(group);
    auto found = groups_.find(name);
    if (found == groups_.end() || is_one_in(3)) return set(name, is_one_in(4) ? Planner::Wish() : wish(group));
    Planner::Wish other = found->second;
    if (!other.networks.empty()) {
      Network& network = other.networks[below(static_cast<uint32_t>(other.networks.size()))];
      if (is_one_in(2) && !network.remotes.empty()) network.remotes.pop_back();
      if (is_one_in(2)) network.remotes.push_back({address(20 + below(3)), Ipv4{Ipv4::parse("198.18.0.0").value().value + 4 * (2 + below(4))}});
      if (is_one_in(3) && !network.members.empty()) network.members.pop_back();
    }
    if (is_one_in(3) && !other.publications.empty()) other.publications.pop_back();
    set(name, std::move(other));
  }

  void change() {
    for (uint32_t left = below(3); left > 0; --left) change_group();
    if (is_one_in(12)) {
      node_.underlay_mtu = is_one_in(2) ? 1500 : 9000;
      node_.uplink = is_one_in(3) ? "up\"; flush ruleset" : "uplink";
      node_.forbidden6 = {is_one_in(2) ? "::/0 }; flush ruleset" : "2001:db8::/32"};
      planner_.set_node(node_);
    }
    if (is_one_in(12)) {
      model_.actual.has_mesh = !model_.actual.has_mesh;
      if (!model_.actual.has_mesh) model_(RemoveMeshFirewall{});
    }
    if (is_one_in(10)) damage();
    if (is_one_in(15)) planner_.doubt();
    if (is_one_in(15)) start_again();
  }

  void start_again() {
    planner_ = Planner();
    planner_.set_node(node_);
    for (const auto& [name, wish] : groups_) planner_.set(name, wish);
  }

  // By somebody else. The node's rules tell by themselves; of all else the planner has to be told.
  void damage() {
    ActualNetworks& actual = model_.actual;
    switch (below(5)) {
      case 0:
        if (!actual.firewall.empty()) actual.firewall = "revision_other";
        return;
      case 1:
        if (!actual.mesh_firewall.empty()) actual.mesh_firewall = "revision_other";
        return;
      case 2:
        if (!actual.networks.empty()) actual.networks.begin()->second.has_underlay = false;
        break;
      case 3:
        if (!actual.sources.empty()) actual.sources.erase(actual.sources.begin());
        break;
      default: actual.networks[999] = {};
    }
    planner_.doubt();
  }

  std::vector<NetworkStep> planned() {
    std::vector<NetworkStep> all = plan(all_of(node_, groups_), model_.actual);
    auto some = planner_.steps(seen_in(model_.actual, planner_.scope()));
    if (!some.has_value()) {
      ++doubts;
      CHECK(planner_.scope().everything);
      some = planner_.steps(seen_in(model_.actual, planner_.scope()));
    }
    REQUIRE(some.has_value());
    ++compared;
    visited += planner_.visited();
    wanted += all_of(node_, groups_).networks.size();
    CHECK_EQ(some->size(), all.size());
    for (size_t i = 0; i < std::min(all.size(), some->size()); ++i) {
      CAPTURE(describe(all[i]));
      CAPTURE(describe((*some)[i]));
      REQUIRE((*some)[i] == all[i]);
    }
    REQUIRE_EQ(some->size(), all.size());
    CHECK(planner_.access_devices() == network::access_devices(all_of(node_, groups_)));
    return std::move(*some);
  }

  // Some steps are refused, and with them those that build on them; one may be cut short.
  void go_some_way() {
    std::vector<NetworkStep> steps = planned();
    bool may_refuse = is_one_in(2);
    size_t until = is_one_in(2) && !steps.empty() ? random_.below(steps.size()) : steps.size();
    for (size_t i = 0; i < until; ++i) {
      if (!can_run(model_.actual, steps[i]) || (may_refuse && is_one_in(6))) {
        ++refused;
        continue;
      }
      model_.run(steps[i]);
      planner_.done(steps[i]);
    }
    if (until == steps.size() || !can_run(model_.actual, steps[until])) return;
    model_.run_half(steps[until]);
    if (is_one_in(2)) start_again();
  }

  void settle() {
    for (const NetworkStep& step : planned()) {
      model_.run(step);
      planner_.done(step);
    }
    CHECK(planned().empty());
    CHECK(planner_.scope().vnis.empty());
  }

  testing::SimulatedRandom random_;
  PlanModel model_;
  DesiredNetworks node_;
  Groups groups_;
  Planner planner_;
};

// As node 1 of 200 has them.
Planner::Wish large(uint32_t vni) {
  Planner::Wish out;
  Network& network = out.networks.emplace_back();
  network.name = "default";
  network.vni = vni;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = ula_range("chain", vni);
  network.underlay = Underlay::Mesh;
  network.members = {{"c-" + std::to_string(vni), "eth0", address(2)}};
  for (uint32_t node = 2; node <= 200; ++node) {
    network.remotes.push_back({address(1 + node), Ipv4{Ipv4::parse("198.18.0.0").value().value + 4 * node}});
  }
  return out;
}

}  // namespace

TEST_CASE("planning by what changes takes the steps that planning of all takes, whatever happened before") {
  size_t compared = 0, visited = 0, wanted = 0, doubts = 0, refused = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    History history(seed);
    history.run(25);
    compared += history.compared;
    visited += history.visited;
    wanted += history.wanted;
    doubts += history.doubts;
    refused += history.refused;
  }
  MESSAGE(compared << " plans compared, " << visited << " networks looked at where planning all looks at " << wanted);
  CHECK_GT(compared, 2000);
  CHECK_GT(doubts, 10);
  CHECK_GT(refused, 100);
  CHECK_LT(visited, wanted * 3 / 4);
}

TEST_CASE("with 1,000 networks of 200 nodes a change looks at one network and takes steps for what changes alone") {
  PlanModel model = make_model();
  model.actual.has_mesh = true;
  Planner planner;
  planner.set_node({.backplane = Ipv4::parse("10.251.0.1").value(), .uplink = "uplink"});
  std::map<uint32_t, Planner::Wish> wishes;
  for (uint32_t vni = 1; vni <= 1000; ++vni) planner.set("g" + std::to_string(vni), wishes[vni] = large(vni));
  auto run = [&] {
    auto steps = planner.steps(seen_in(model.actual, planner.scope()));
    REQUIRE(steps.has_value());
    for (const NetworkStep& step : *steps) {
      model.run(step);
      planner.done(step);
    }
    return steps->size();
  };
  auto change = [&](uint32_t vni, auto act) {
    act(wishes[vni].networks[0]);
    planner.set("g" + std::to_string(vni), wishes[vni]);
    CHECK_LE(planner.scope().vnis.size(), 2);  // it, and what was changed before
    size_t steps = run();
    CHECK_LE(planner.visited(), 2);
    return steps;
  };
  CHECK_GT(run(), 200'000);
  CHECK_EQ(run(), 0);
  CHECK(planner.scope().vnis.empty());
  CHECK_EQ(run(), 0);
  CHECK_EQ(planner.visited(), 0);
  CHECK_EQ(change(500, [](Network& one) { one.remotes.push_back({address(499), one.remotes[0].node}); }), 1);
  CHECK_EQ(change(499, [](Network& one) { one.remotes.push_back({address(499), Ipv4{one.remotes[0].node.value + 4 * 777}}); }), 3);
  CHECK_EQ(change(498, [](Network& one) { one.members.push_back({"more", "eth0", address(499)}); }), 3);
  CHECK_EQ(change(498, [](Network& one) { one.members.pop_back(); }), 3);
  planner.remove("g7");
  CHECK_EQ(run(), 3);
  CHECK_LE(planner.visited(), 2);
  planner.set("g7", wishes[7]);
  CHECK_EQ(run(), 1 + 1 + 2 * 199 + 1 + 2);
  CHECK_EQ(run(), 0);
}
