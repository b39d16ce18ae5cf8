// For this room's tests and fuzz targets: the machine as the planner believes it to be. Refuses what a real one would
// refuse.
#pragma once

#include <functional>

#include "network/firewall.h"
#include "network/plan.h"
#include "network/planner.h"

namespace mcloud::network {

struct PlanModel {
  std::function<void(bool, const char*)> expect;  // called with what must be so
  ActualNetworks actual;

  void operator()(const EnableForwarding&) { actual.forwarding = true; }
  void operator()(const EnableForwarding6&) { actual.forwarding6 = true; }
  void operator()(const SetNodeFirewall& step) {
    actual.firewall = step.revision;
    actual.sources = sources_in(step.rules);
  }
  void operator()(const RemoveNodeFirewall&) {
    actual.firewall.clear();
    actual.sources.clear();
  }
  void operator()(const SetMeshFirewall& step) {
    expect(actual.has_mesh, "the mesh is there when its rules are set");
    actual.mesh_firewall = step.revision;
    actual.mesh_sources = sources_in(step.rules);
  }
  void operator()(const RemoveMeshFirewall&) {
    actual.mesh_firewall.clear();
    actual.mesh_sources.clear();
  }
  void operator()(const ChangeSources& step) {
    bool is_plain = step.underlay == Underlay::Plain;
    expect(!(is_plain ? actual.firewall : actual.mesh_firewall).empty(), "there is a set to change");
    std::set<VxlanSource>& sources = is_plain ? actual.sources : actual.mesh_sources;
    for (const VxlanSource& source : step.removed) sources.erase(source);
    sources.insert(step.added.begin(), step.added.end());
  }
  void operator()(const CreateNetwork& step) {
    for (const auto& [vni, other] : actual.networks) {
      bool is_other = vni == step.shape.vni || !other.shape.has_value() || other.shape->transit != step.shape.transit;
      expect(is_other, "transit numbers of networks are unique");
    }
    expect(!actual.portals.contains(step.shape.transit), "a transit number is not a portal's too");
    expect(step.shape.transit < kTransitsMax, "the resolver's number is nobody's");
    ActualNetwork& network = actual.networks[step.shape.vni] = {};
    network.shape = step.shape;
    network.has_underlay = true;
  }
  void operator()(const RemoveNetwork& step) { actual.networks.erase(step.vni); }
  void operator()(const RepairUnderlay& step) {
    ActualNetwork& network = actual.networks.at(step.shape.vni);
    network.has_underlay = true;
    network.peers.clear();
    network.remotes.clear();
  }
  void operator()(const SetNetworkFirewall& step) { actual.networks.at(step.vni).firewall = step.revision; }
  void operator()(const SetPeer& step) { actual.networks.at(step.vni).peers.insert(step.node); }
  void operator()(const RemovePeer& step) { actual.networks.at(step.vni).peers.erase(step.node); }
  void operator()(const SetRemote& step) {
    actual.networks.at(step.vni).remotes[step.remote.address] = step.remote.node;
  }
  void operator()(const RemoveRemote& step) { actual.networks.at(step.vni).remotes.erase(step.address); }
  void operator()(const CreateNetns& step) {
    expect(!actual.netns.contains(step.netns), "a namespace is made once");
    actual.netns.insert(step.netns);
    actual.netns_leftovers.erase(step.netns);
  }
  // With a namespace go the ends of its members' and portals' links.
  void operator()(const RemoveNetns& step) {
    actual.netns.erase(step.netns);
    actual.netns_leftovers.erase(step.netns);
    actual.netns_firewalls.erase(step.netns);
    actual.proxied.erase(step.netns);
    for (auto& [vni, network] : actual.networks) {
      std::erase_if(network.members, [&](const Member& member) { return member.netns == step.netns; });
    }
    std::erase_if(actual.portals, [&](const auto& portal) {
      return portal.second.has_value() && portal.second->netns == step.netns;
    });
  }
  void operator()(const SetNetnsFirewall& step) {
    expect(actual.netns.contains(step.netns), "rules go where a namespace is");
    actual.netns_firewalls[step.netns] = step.revision;
  }
  void operator()(const RemoveNetnsFirewall& step) { actual.netns_firewalls.erase(step.netns); }
  void operator()(const AttachMember& step) {
    ActualNetwork& network = actual.networks.at(step.vni);
    expect(!actual.firewall.empty() && !network.firewall.empty(), "rules are there before members");
    expect(actual.netns.contains(step.member.netns), "a member's namespace is there");
    expect(!step.member.is_portal || actual.netns_firewalls.contains(step.member.netns), "a portal has rules");
    network.leftovers.erase(step.member.address);
    network.members.insert(step.member);
    actual.proxied.erase(step.member.netns);
  }
  void operator()(const DetachMember& step) {
    ActualNetwork& network = actual.networks.at(step.vni);
    network.leftovers.erase(step.address);
    std::erase_if(network.members, [&](const Member& member) { return member.address == step.address; });
  }
  void operator()(const ConnectPortal& step) {
    expect(actual.netns.contains(step.shape.netns), "a portal's namespace is there");
    expect(!actual.portals.contains(step.shape.transit), "a portal's transit number is free");
    for (const auto& [vni, other] : actual.networks) {
      expect(!other.shape.has_value() || other.shape->transit != step.shape.transit, "and no network's");
    }
    actual.portals[step.shape.transit] = step.shape;
  }
  void operator()(const DisconnectPortal& step) { actual.portals.erase(step.transit); }
  void operator()(const SetProxied& step) { actual.proxied[step.netns][step.device] = true; }
  void operator()(const RemoveProxied& step) {
    actual.proxied[step.netns].erase(step.device);
    if (actual.proxied[step.netns].empty()) actual.proxied.erase(step.netns);
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
    } else if (const auto* repair = std::get_if<RepairUnderlay>(&step)) {
      actual.networks.at(repair->shape.vni).peers.clear();
      actual.networks.at(repair->shape.vni).remotes.clear();
    } else if (const auto* netns = std::get_if<CreateNetns>(&step)) {
      actual.netns_leftovers.insert(netns->netns);
    } else if (const auto* connect = std::get_if<ConnectPortal>(&step)) {
      actual.portals[connect->shape.transit] = std::nullopt;
    } else if (const auto* proxied = std::get_if<SetProxied>(&step)) {
      actual.proxied[proxied->netns][proxied->device] = false;
    }
  }

  // The elements that a rule text puts into the set of peers: "add element inet mcloud sources { A . N, ... }".
  static std::set<VxlanSource> sources_in(const std::string& rules) {
    std::set<VxlanSource> out;
    std::string start = "add element inet mcloud sources { ";
    size_t at = rules.find(start);
    if (at == std::string::npos) return out;
    at += start.size();
    while (rules[at] != '}') {
      size_t dot = rules.find(" . ", at);
      size_t end = rules.find_first_of(", ", dot + 3);
      auto node = Ipv4::parse(std::string_view(rules).substr(at, dot - at));
      out.insert({node.value(), static_cast<uint32_t>(std::stoul(rules.substr(dot + 3, end - dot - 3)))});
      at = rules.find_first_not_of(", ", end);
    }
    return out;
  }
};

// What a reading of the scope finds.
inline ActualNetworks seen_in(const ActualNetworks& actual, const Scope& scope) {
  if (scope.everything) return actual;
  ActualNetworks seen;
  seen.forwarding = actual.forwarding;
  seen.forwarding6 = actual.forwarding6;
  seen.firewall = actual.firewall;
  seen.has_mesh = actual.has_mesh;
  seen.mesh_firewall = actual.mesh_firewall;
  seen.portals = actual.portals;
  for (uint32_t vni : scope.vnis) {
    if (auto found = actual.networks.find(vni); found != actual.networks.end()) seen.networks.insert(*found);
  }
  for (const std::string& netns : scope.netns) {
    if (actual.netns.contains(netns)) seen.netns.insert(netns);
    if (actual.netns_leftovers.contains(netns)) seen.netns_leftovers.insert(netns);
    if (auto found = actual.netns_firewalls.find(netns); found != actual.netns_firewalls.end()) seen.netns_firewalls.insert(*found);
    if (auto found = actual.proxied.find(netns); found != actual.proxied.end()) seen.proxied.insert(*found);
  }
  return seen;
}

// False: a machine would refuse it, as what it builds on is not there.
inline bool can_run(const ActualNetworks& actual, const NetworkStep& step) {
  auto has_transit = [&](uint32_t transit) {
    bool is_taken = actual.portals.contains(transit);
    for (const auto& [vni, other] : actual.networks) is_taken = is_taken || (other.shape && other.shape->transit == transit);
    return is_taken;
  };
  auto has_network = [&](uint32_t vni) { return actual.networks.contains(vni) && actual.networks.at(vni).shape.has_value(); };
  if (const auto* create = std::get_if<CreateNetwork>(&step)) {
    return !actual.networks.contains(create->shape.vni) && !has_transit(create->shape.transit);
  }
  if (const auto* repair = std::get_if<RepairUnderlay>(&step)) return has_network(repair->shape.vni);
  if (const auto* attach = std::get_if<AttachMember>(&step)) {
    return has_network(attach->vni) && actual.netns.contains(attach->member.netns) && !actual.firewall.empty() &&
           !actual.networks.at(attach->vni).firewall.empty() &&
           (!attach->member.is_portal || actual.netns_firewalls.contains(attach->member.netns));
  }
  if (const auto* change = std::get_if<ChangeSources>(&step)) {
    return !(change->underlay == Underlay::Plain ? actual.firewall : actual.mesh_firewall).empty();
  }
  if (const auto* connect = std::get_if<ConnectPortal>(&step)) {
    return actual.netns.contains(connect->shape.netns) && !has_transit(connect->shape.transit);
  }
  if (const auto* netns = std::get_if<CreateNetns>(&step)) return !actual.netns.contains(netns->netns);
  if (const auto* rules = std::get_if<SetNetnsFirewall>(&step)) return actual.netns.contains(rules->netns);
  return std::visit(
      [&](const auto& one) {
        if constexpr (requires { one.vni; } && !std::is_same_v<decltype(one), const RemoveNetwork&>) {
          return has_network(one.vni);
        } else {
          return true;
        }
      },
      step);
}

}  // namespace mcloud::network
