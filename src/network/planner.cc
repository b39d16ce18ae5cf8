#include "network/planner.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "network/part_plan.h"
#include "network/sift.h"

namespace mcloud::network {
namespace {

// Keys name what can be one network's only: groups that share one are sifted together.
std::string key_of(uint32_t vni) { return "v" + std::to_string(vni); }
std::string key_of(const std::string& netns) { return "n" + netns; }

std::set<std::string> keys_of(const Planner::Wish& wish) {
  std::set<std::string> keys;
  for (const Network& network : wish.networks) {
    keys.insert(key_of(network.vni));
    if (!network.bridge.empty()) keys.insert("b" + network.bridge);
    if (network.access.has_value()) keys.insert("a" + std::to_string(network.access->port));
    for (const Member& member : network.members) keys.insert(key_of(member.netns));
  }
  for (const Publication& publication : wish.publications) {
    keys.insert(key_of(publication.vni));
    bool is_tcp = publication.protocol == Publication::Protocol::Tcp;
    keys.insert((is_tcp ? "t" : "u") + std::to_string(publication.port));
  }
  return keys;
}

size_t transits_of(const Planner::Wish& wish) {
  size_t count = 0;
  for (const Network& network : wish.networks) count += transits_of(network);
  return count;
}

// The network or namespace that a step is about; "" = neither.
std::string subject_of(const NetworkStep& step) {
  return std::visit(
      [](const auto& one) -> std::string {
        if constexpr (requires { one.vni; }) return key_of(one.vni);
        if constexpr (requires { one.shape; }) return key_of(one.shape.vni);
        if constexpr (requires { one.netns; }) return key_of(one.netns);
        return "";
      },
      step);
}

using SourceRange = std::pair<std::set<VxlanSource>::const_iterator, std::set<VxlanSource>::const_iterator>;

SourceRange of_network(const std::set<VxlanSource>& sources, uint32_t vni) {
  return {sources.lower_bound({Ipv4{0}, vni}), sources.upper_bound({Ipv4{UINT32_MAX}, vni})};
}

}  // namespace

void Planner::set_node(DesiredNetworks node) {
  node.networks.clear();
  node.publications.clear();
  Sifted sifted = sift(node);
  if (sifted.desired == node_) return;
  complaints_.insert(complaints_.end(), sifted.complaints.begin(), sifted.complaints.end());
  node_ = std::move(sifted.desired);
  rules_.reset();
  doubt();
}

void Planner::set(const std::string& name, Wish wish) {
  bool is_empty = wish.networks.empty() && wish.publications.empty();
  auto found = groups_.find(name);
  if (found == groups_.end() && is_empty) return;
  if (found != groups_.end() && found->second.wish == wish) return;
  Group& group = groups_[name];
  // What it had is compared again too, and who waits for it.
  open_.insert(group.keys.begin(), group.keys.end());
  release(name, group.keys);
  wanted_transits_ -= group.wanted_transits;
  if (is_empty) {
    remember_sources(group);
    leave(name, group);
    groups_.erase(name);
    return;
  }
  group.keys = keys_of(wish);
  group.wanted_transits = transits_of(wish);
  group.wish = std::move(wish);
  open_.insert(group.keys.begin(), group.keys.end());
  claim(name, group.keys);
  wanted_transits_ += group.wanted_transits;
}

void Planner::claim(const std::string& name, const std::set<std::string>& keys) {
  for (const std::string& key : keys) claims_[key].insert(name);
}

void Planner::release(const std::string& name, const std::set<std::string>& keys) {
  for (const std::string& key : keys) {
    auto found = claims_.find(key);
    found->second.erase(name);
    if (found->second.empty()) claims_.erase(found);
  }
}

// All that is reached from what is open through groups that need the same.
std::set<std::string> Planner::closure() const {
  std::set<std::string> keys = open_;
  std::vector<std::string> left(keys.begin(), keys.end());
  while (!left.empty()) {
    auto claimants = claims_.find(left.back());
    left.pop_back();
    if (claimants == claims_.end()) continue;
    for (const std::string& name : claimants->second) {
      for (const std::string& key : groups_.at(name).keys) {
        if (keys.insert(key).second) left.push_back(key);
      }
    }
  }
  return keys;
}

Scope Planner::scope() const {
  // With so many transit links which networks are left out is a matter of all of them.
  Scope scope{.everything = everything_ || wanted_transits_ > kTransitsMax, .vnis = {}, .netns = {}};
  if (scope.everything) return scope;
  for (const std::string& key : closure()) {
    if (key[0] == 'v') scope.vnis.insert(static_cast<uint32_t>(std::stoul(key.substr(1))));
    if (key[0] == 'n') scope.netns.insert(key.substr(1));
  }
  return scope;
}

std::vector<Planner::Groups::iterator> Planner::part_of(const std::set<std::string>& keys) {
  std::set<std::string> names;
  for (const std::string& key : keys) {
    auto claimants = claims_.find(key);
    if (claimants != claims_.end()) names.insert(claimants->second.begin(), claimants->second.end());
  }
  std::vector<Groups::iterator> part;
  for (const std::string& name : names) part.push_back(groups_.find(name));
  return part;
}

bool Planner::is_strange(const ActualNetworks& seen) const {
  bool is_other = !seen.firewall.empty() && seen.firewall != node_revision_;
  return is_other || (!seen.mesh_firewall.empty() && seen.mesh_firewall != mesh_revision_);
}

std::optional<std::vector<NetworkStep>> Planner::steps(ActualNetworks seen) {
  Scope reach = scope();
  if (!reach.everything && is_strange(seen)) {
    doubt();
    return std::nullopt;
  }
  std::vector<Groups::iterator> part;
  if (reach.everything) {
    for (auto group = groups_.begin(); group != groups_.end(); ++group) part.push_back(group);
  } else {
    part = part_of(closure());
    for (auto group : part) remember_sources(group->second);
    recall_sources(reach, seen);
  }
  node_revision_ = seen.firewall;
  mesh_revision_ = seen.mesh_firewall;
  for (auto group : part) leave(group->first, group->second);
  DesiredNetworks wanted = sift_part(part);
  visited_ = wanted.networks.size();
  Rest rest{.has_networks = totals_.networks > 0,
            .has_ipv6 = totals_.with_ipv6 > 0,
            .has_mesh = totals_.meshed > 0,
            .numbers = numbers_,
            .portals = portal_numbers_,
            .node_rules = [&](const Transits& transits) { return node_rules_with(transits); },
            .sources_text = [&](Underlay underlay) { return sources_text(all_sources(underlay)); }};
  PartPlan planned = plan_part(wanted, seen, rest);
  for (auto group : part) enter(group->first, group->second, planned.transits);
  note_open(wanted, seen, planned.steps);
  return std::move(planned.steps);
}

// It no longer counts among those that are as wanted.
void Planner::leave(const std::string& name, Group& group) {
  if (!std::exchange(group.is_planned, false)) return;
  for (const Network& network : group.sifted.networks) {
    --totals_.networks;
    totals_.with_ipv6 -= !network.range6.empty();
    totals_.meshed -= network.underlay == Underlay::Mesh;
  }
  for (const auto& [vni, number] : group.transits.networks) numbers_.release(number);
  for (const auto& [netns, number] : group.transits.portals) {
    numbers_.release(number);
    portal_numbers_.erase(number);
  }
  if (publishers_.erase(name) > 0) rules_.reset();
  with_access_.erase(name);
}

void Planner::enter(const std::string& name, Group& group, const Transits& transits) {
  group.is_planned = true;
  group.transits = {};
  for (const Network& network : group.sifted.networks) {
    ++totals_.networks;
    totals_.with_ipv6 += !network.range6.empty();
    totals_.meshed += network.underlay == Underlay::Mesh;
    group.transits.networks[network.vni] = transits.networks.at(network.vni);
    for (const Member& member : gateway_portals(network)) {
      uint32_t number = transits.portals.at(member.netns);
      group.transits.portals[member.netns] = number;
      portal_numbers_.insert(number);
    }
    if (network.access.has_value()) with_access_.insert(name);
  }
}

// What is in force of its networks is what was planned for them, unless it is known to be otherwise.
void Planner::remember_sources(const Group& group) {
  for (const Network& network : group.sifted.networks) {
    Sources& known = known_sources(network.underlay);
    if (network.underlay == Underlay::Dedicated || known.contains(network.vni)) continue;
    std::vector<VxlanSource> sources;
    add_sources(network, sources);
    std::sort(sources.begin(), sources.end());
    known[network.vni] = {sources.begin(), sources.end()};
  }
}

void Planner::recall_sources(const Scope& scope, ActualNetworks& seen) const {
  auto recall = [&](const Sources& known, const std::string& revision, std::set<VxlanSource>& sources) {
    sources.clear();
    if (revision.empty()) return;
    for (uint32_t vni : scope.vnis) {
      auto found = known.find(vni);
      if (found != known.end()) sources.insert(found->second.begin(), found->second.end());
    }
  };
  recall(plain_sources_, seen.firewall, seen.sources);
  recall(mesh_sources_, seen.mesh_firewall, seen.mesh_sources);
}

DesiredNetworks Planner::sift_part(const std::vector<Groups::iterator>& part) {
  DesiredNetworks wish = node_;
  std::vector<Group*> of_network, of_publication;
  for (auto group : part) {
    Group& one = group->second;
    one.sifted = {};
    wish.networks.insert(wish.networks.end(), one.wish.networks.begin(), one.wish.networks.end());
    wish.publications.insert(wish.publications.end(), one.wish.publications.begin(), one.wish.publications.end());
    of_network.resize(wish.networks.size(), &one);
    of_publication.resize(wish.publications.size(), &one);
  }
  Sifted sifted = sift(wish);
  for (size_t i = 0; i < sifted.desired.networks.size(); ++i) {
    of_network[sifted.networks_from[i]]->sifted.networks.push_back(sifted.desired.networks[i]);
  }
  for (size_t i = 0; i < sifted.desired.publications.size(); ++i) {
    of_publication[sifted.publications_from[i]]->sifted.publications.push_back(sifted.desired.publications[i]);
  }
  for (auto group : part) {
    if (group->second.sifted.publications.empty()) continue;
    publishers_.insert(group->first);
    rules_.reset();
  }
  complaints_.insert(complaints_.end(), sifted.complaints.begin(), sifted.complaints.end());
  return std::move(sifted.desired);
}

const Rules& Planner::node_rules_with(const Transits& part) {
  if (rules_.has_value()) return *rules_;
  DesiredNetworks wish = node_;
  Transits transits = part;
  for (const std::string& publisher : publishers_) {
    for (const Publication& publication : groups_.at(publisher).sifted.publications) {
      wish.publications.push_back(publication);
      for (const std::string& name : claims_.at(key_of(publication.vni))) add_target(groups_.at(name), publication.vni, wish, transits);
    }
  }
  rules_ = node_rules(wish, transits);
  return *rules_;
}

// Rules of the node name a network by little of it, and by its links.
void Planner::add_target(const Group& group, uint32_t vni, DesiredNetworks& wish, Transits& transits) const {
  for (const Network& network : group.sifted.networks) {
    if (network.vni != vni) continue;
    Network& added = wish.networks.emplace_back();
    added.contract = network.contract;
    added.vni = network.vni;
    added.range6 = network.range6;
  }
  if (!group.is_planned) return;  // it is in the part
  transits.networks.insert(group.transits.networks.begin(), group.transits.networks.end());
  transits.portals.insert(group.transits.portals.begin(), group.transits.portals.end());
}

std::set<VxlanSource> Planner::all_sources(Underlay underlay) const {
  std::vector<VxlanSource> all;
  for (const auto& [name, group] : groups_) {
    for (const Network& network : group.sifted.networks) {
      if (network.underlay == underlay) add_sources(network, all);
    }
  }
  std::sort(all.begin(), all.end());
  return {all.begin(), all.end()};
}

// What steps are about is looked at again next time; all else of the part is as wanted.
void Planner::note_open(const DesiredNetworks& part, const ActualNetworks& seen, const std::vector<NetworkStep>& steps) {
  everything_ = false;
  open_.clear();
  bool is_of_node = false;
  for (const NetworkStep& step : steps) {
    std::string subject = subject_of(step);
    is_of_node = is_of_node || subject.empty();
    if (!subject.empty()) open_.insert(std::move(subject));
  }
  for (Underlay underlay : {Underlay::Plain, Underlay::Mesh}) {
    Sources& known = known_sources(underlay);
    known.clear();
    bool is_plain = underlay == Underlay::Plain;
    if (!is_of_node || (is_plain ? seen.firewall : seen.mesh_firewall).empty()) continue;
    const std::set<VxlanSource>& there = is_plain ? seen.sources : seen.mesh_sources;
    std::set<VxlanSource> wanted = vxlan_sources(part, underlay);
    std::vector<VxlanSource> others;
    std::set_symmetric_difference(there.begin(), there.end(), wanted.begin(), wanted.end(), std::back_inserter(others));
    for (const VxlanSource& one : others) {
      if (known.contains(one.vni)) continue;
      auto [first, last] = of_network(there, one.vni);
      known[one.vni] = {first, last};
      open_.insert(key_of(one.vni));
    }
  }
}

void Planner::done(const NetworkStep& step) {
  if (const auto* node = std::get_if<SetNodeFirewall>(&step)) {
    node_revision_ = node->revision;
    plain_sources_.clear();
  } else if (const auto* mesh = std::get_if<SetMeshFirewall>(&step)) {
    mesh_revision_ = mesh->revision;
    mesh_sources_.clear();
  } else if (const auto* change = std::get_if<ChangeSources>(&step)) {
    known_sources(change->underlay).clear();
  } else if (std::holds_alternative<RemoveNodeFirewall>(step)) {
    plain_sources_.clear();
  } else if (std::holds_alternative<RemoveMeshFirewall>(step)) {
    mesh_sources_.clear();
  }
}

std::vector<WireGuardDevice> Planner::access_devices() const {
  std::vector<WireGuardDevice> out;
  for (const std::string& name : with_access_) {
    for (const Network& network : groups_.at(name).sifted.networks) {
      if (auto device = access_device(network, node_.underlay_mtu)) out.push_back(std::move(*device));
    }
  }
  return out;
}

}  // namespace mcloud::network
