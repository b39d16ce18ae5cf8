#include "network/part_plan.h"

#include <algorithm>

#include "network/mesh.h"
#include "network/sift.h"
#include "network/space_rules.h"

namespace mcloud::network {
namespace {

constexpr int kVxlanOverhead = 50;
constexpr int kMtuMin = 576;
constexpr int kMtuMin6 = 1280;
constexpr int kMtuEthernet = 1500;
constexpr uint32_t kNoTransit = UINT32_MAX;

NetworkShape shape_of(const DesiredNetworks& desired, const Network& network) {
  bool is_plain = network.underlay == Underlay::Plain;
  int underlay_mtu = network.underlay_mtu == 0 ? desired.underlay_mtu : std::min(desired.underlay_mtu, network.underlay_mtu);
  int mtu = underlay_mtu - kVxlanOverhead - (is_plain ? 0 : kMeshOverhead);
  // Hosts of a physical network expect what is usual there.
  if (!network.bridge.empty()) mtu = std::min(kMtuEthernet, desired.underlay_mtu);
  NetworkShape shape;
  shape.contract = network.contract;
  shape.name = network.name;
  shape.vni = network.vni;
  shape.range = network.range;
  shape.range6 = network.range6;
  shape.underlay = network.underlay;
  shape.bridge = network.bridge;
  if (is_plain) shape.backplane = desired.backplane;
  // Below 1,280 there is no IPv6 (RFC 8200 5): the packets around are cut instead.
  shape.mtu = std::max(network.range6.empty() ? kMtuMin : kMtuMin6, mtu);
  return shape;
}

class PartPlanner {
 public:
  PartPlanner(const DesiredNetworks& part, const ActualNetworks& actual, const Rest& rest)
      : desired_(part), actual_(actual), rest_(rest) {
    for (const Publication& publication : desired_.publications) publications_[publication.vni].push_back(publication);
    find_portals();
    choose_shapes();
    choose_portals();
    choose_numbers();
  }

  PartPlan run() {
    protect_node();
    protect_mesh();
    disconnect_portals();
    remove_networks();
    detach_members();
    remove_netns();
    for (const Network& network : desired_.networks) set_network(network);
    create_netns();
    attach_members();
    set_proxied();
    connect_portals();
    remove_protection();
    return {std::move(steps_), transits()};
  }

 private:
  void add(NetworkStep step) { steps_.push_back(std::move(step)); }

  // A network that is there as wanted keeps its transit link; new ones get the lowest free number.
  void choose_shapes() {
    for (const Network& network : desired_.networks) {
      NetworkShape shape = shape_of(desired_, network);
      auto found = actual_.networks.find(network.vni);
      if (found != actual_.networks.end() && found->second.shape.has_value()) {
        shape.transit = found->second.shape->transit;
        if (shape == *found->second.shape && rest_.numbers.take(shape.transit)) {
          kept_[network.vni] = &found->second;
        }
      }
      shapes_[network.vni] = shape;
    }
  }

  // Those of the rest stay as they are.
  void find_portals() {
    for (const auto& [transit, portal] : actual_.portals) {
      if (rest_.portals.contains(transit)) continue;
      found_portals_.push_back(transit);
      if (portal.has_value()) portals_by_netns_.emplace(portal->netns, transit);
    }
  }

  void choose_portals() {
    for (const Network& network : desired_.networks) {
      for (const Member& member : gateway_portals(network)) {
        PortalShape shape{network.contract, network.vni, member.netns, member.address, shapes_[network.vni].mtu,
                          !network.range6.empty(), 0};
        portals_.push_back(find_portal(shape));
      }
    }
  }

  PortalShape find_portal(PortalShape shape) {
    auto [first, last] = portals_by_netns_.equal_range(shape.netns);
    for (auto found = first; found != last; ++found) {
      shape.transit = found->second;
      bool is_there = actual_.portals.at(shape.transit) == shape && actual_.netns.contains(shape.netns);
      if (is_there && rest_.numbers.take(shape.transit)) {
        connected_.insert(shape.transit);
        return shape;
      }
    }
    shape.transit = kNoTransit;
    return shape;
  }

  void choose_numbers() {
    for (auto& [vni, shape] : shapes_) {
      if (!kept_.contains(vni)) shape.transit = rest_.numbers.take_lowest();
    }
    for (PortalShape& portal : portals_) {
      if (portal.transit == kNoTransit) portal.transit = rest_.numbers.take_lowest();
    }
  }

  Transits transits() const {
    Transits out;
    for (const auto& [vni, shape] : shapes_) out.networks[vni] = shape.transit;
    for (const PortalShape& portal : portals_) out.portals[portal.netns] = portal.transit;
    return out;
  }

  bool has_mesh() const {
    return rest_.has_mesh || std::any_of(desired_.networks.begin(), desired_.networks.end(),
                                         [](const Network& network) { return network.underlay == Underlay::Mesh; });
  }
  bool has_networks() const { return rest_.has_networks || !desired_.networks.empty(); }

  // Before anything new is reachable.
  void protect_node() {
    if (!has_networks()) return;
    bool has_ipv6 = rest_.has_ipv6 || std::any_of(desired_.networks.begin(), desired_.networks.end(),
                                                  [](const Network& network) { return !network.range6.empty(); });
    Rules rules = rest_.node_rules(transits());
    if (rules.revision != actual_.firewall) {
      add(SetNodeFirewall{rules.removal + rules.text + rest_.sources_text(Underlay::Plain), rules.revision, rules.settlement});
    } else {
      change_sources(Underlay::Plain, actual_.sources);
    }
    if (!actual_.forwarding) add(EnableForwarding{});
    if (has_ipv6 && !actual_.forwarding6) add(EnableForwarding6{});
  }

  void protect_mesh() {
    if (!actual_.has_mesh || !has_mesh()) return;
    Rules rules = mesh_rules();
    if (rules.revision != actual_.mesh_firewall) {
      add(SetMeshFirewall{rules.removal + rules.text + rest_.sources_text(Underlay::Mesh), rules.revision});
    } else {
      change_sources(Underlay::Mesh, actual_.mesh_sources);
    }
  }

  void change_sources(Underlay underlay, const std::set<VxlanSource>& there) {
    std::set<VxlanSource> wanted = vxlan_sources(desired_, underlay);
    ChangeSources step{underlay, {}, {}};
    std::set_difference(there.begin(), there.end(), wanted.begin(), wanted.end(), std::back_inserter(step.removed));
    std::set_difference(wanted.begin(), wanted.end(), there.begin(), there.end(), std::back_inserter(step.added));
    if (!step.removed.empty() || !step.added.empty()) add(std::move(step));
  }

  void disconnect_portals() {
    for (uint32_t transit : found_portals_) {
      if (!connected_.contains(transit)) add(DisconnectPortal{transit});
    }
  }

  void remove_networks() {
    for (const auto& [vni, network] : actual_.networks) {
      if (!kept_.contains(vni)) add(RemoveNetwork{vni});
    }
  }

  bool is_attached(uint32_t vni, const Member& member) const {
    auto kept = kept_.find(vni);
    return kept != kept_.end() && kept->second->members.contains(member) && actual_.netns.contains(member.netns);
  }

  void detach_members() {
    for (const Network& network : desired_.networks) {
      auto kept = kept_.find(network.vni);
      if (kept == kept_.end()) continue;
      std::set<Member> wanted(network.members.begin(), network.members.end());
      for (const Member& member : kept->second->members) {
        bool stays = wanted.contains(member) && actual_.netns.contains(member.netns);
        if (!stays) add(DetachMember{network.vni, member.address});
      }
      for (Ipv4 address : kept->second->leftovers) add(DetachMember{network.vni, address});
    }
  }

  std::set<std::string> wanted_netns() const {
    std::set<std::string> out;
    for (const Network& network : desired_.networks) {
      for (const Member& member : network.members) out.insert(member.netns);
    }
    return out;
  }

  void remove_netns() {
    std::set<std::string> wanted = wanted_netns();
    for (const std::string& netns : actual_.netns) {
      if (!wanted.contains(netns)) add(RemoveNetns{netns});
    }
    for (const std::string& netns : actual_.netns_leftovers) add(RemoveNetns{netns});
  }

  void set_network(const Network& network) {
    static const ActualNetwork kNothing;
    auto kept = kept_.find(network.vni);
    const ActualNetwork& there = kept == kept_.end() ? kNothing : *kept->second;
    if (kept == kept_.end()) add(CreateNetwork{shapes_[network.vni]});
    Rules rules = network_rules(network, publications_[network.vni]);
    // In a fresh namespace there is nothing to remove, which spares waiting for the kernel to dispose of it.
    std::string text = (kept == kept_.end() ? "" : rules.removal) + rules.text;
    if (rules.revision != there.firewall) add(SetNetworkFirewall{network.vni, text, rules.revision, rules.settlement});
    bool is_lame = kept != kept_.end() && !there.has_underlay;
    if (is_lame) add(RepairUnderlay{shapes_[network.vni]});
    // A physical network's members are learned.
    if (network.bridge.empty()) set_remotes(network, is_lame ? kNothing : there);
  }

  void set_remotes(const Network& network, const ActualNetwork& there) {
    std::vector<Ipv4> peers;  // the remotes are sorted by address, and each has one
    for (const RemoteMember& remote : network.remotes) peers.push_back(remote.node);
    std::sort(peers.begin(), peers.end());
    peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
    // What comes before what goes: a peer that changes its address is reached all the time.
    for (Ipv4 peer : peers) {
      if (!there.peers.contains(peer)) add(SetPeer{network.vni, peer});
    }
    for (const RemoteMember& remote : network.remotes) {
      auto found = there.remotes.find(remote.address);
      if (found == there.remotes.end() || found->second != remote.node) add(SetRemote{network.vni, remote});
    }
    auto wanted = network.remotes.begin();
    for (const auto& [address, node] : there.remotes) {
      while (wanted != network.remotes.end() && wanted->address < address) ++wanted;
      if (wanted == network.remotes.end() || wanted->address != address) add(RemoveRemote{network.vni, address});
    }
    for (Ipv4 peer : there.peers) {
      if (!std::binary_search(peers.begin(), peers.end(), peer)) add(RemovePeer{network.vni, peer});
    }
  }

  // With their rules, before anybody is attached.
  void create_netns() {
    std::map<std::string, SpaceRules> rules = space_rules(desired_);
    for (const std::string& netns : wanted_netns()) {
      bool is_there = actual_.netns.contains(netns);
      if (!is_there) add(CreateNetns{netns});
      auto wanted = rules.find(netns);
      auto found = actual_.netns_firewalls.find(netns);
      bool has_rules = is_there && found != actual_.netns_firewalls.end();
      if (wanted != rules.end()) {
        const Rules& text = wanted->second.rules;
        if (has_rules && found->second == text.revision) continue;
        add(SetNetnsFirewall{netns, (is_there ? text.removal : "") + text.text, text.revision,
                             wanted->second.forwards, text.settlement});
      } else if (has_rules) {
        add(RemoveNetnsFirewall{netns});
      }
    }
  }

  void attach_members() {
    for (const Network& network : desired_.networks) {
      for (const Member& member : network.members) {
        if (is_attached(network.vni, member)) continue;
        add(AttachMember{network.vni, network.contract, member, network.range, network.range6,
                         shapes_[network.vni].mtu});
      }
    }
  }

  void set_proxied() {
    for (const Network& network : desired_.networks) {
      for (const Member& member : network.members) {
        const Member* portal = access_portal(network);
        std::set<Ipv4> wanted;
        if (portal != nullptr && portal->netns == member.netns) {
          for (const Device& device : network.access->devices) {
            if (device.is_here) wanted.insert(device.address);
          }
        }
        // With the interface go the entries.
        auto found = actual_.proxied.find(member.netns);
        bool has_some = found != actual_.proxied.end() && is_attached(network.vni, member);
        std::map<Ipv4, bool> there = has_some ? found->second : std::map<Ipv4, bool>();
        for (const auto& [device, is_whole] : there) {
          if (!wanted.contains(device)) add(RemoveProxied{member.netns, device});
        }
        for (Ipv4 device : wanted) {
          if (there.contains(device) && there.at(device)) continue;
          add(SetProxied{member.netns, member.interface, device, address6_of(network.range6, device)});
        }
      }
    }
  }

  void connect_portals() {
    for (const PortalShape& portal : portals_) {
      if (!connected_.contains(portal.transit)) add(ConnectPortal{portal});
    }
  }

  void remove_protection() {
    if (!has_mesh() && !actual_.mesh_firewall.empty()) add(RemoveMeshFirewall{});
    if (!has_networks() && !actual_.firewall.empty()) add(RemoveNodeFirewall{});
  }

  const DesiredNetworks& desired_;
  const ActualNetworks& actual_;
  const Rest& rest_;
  std::map<uint32_t, std::vector<Publication>> publications_;  // by VNI
  std::vector<uint32_t> found_portals_;                        // transit numbers of those that are there
  std::multimap<std::string, uint32_t> portals_by_netns_;      // of them, the whole ones
  std::map<uint32_t, NetworkShape> shapes_;        // wanted, by VNI
  std::map<uint32_t, const ActualNetwork*> kept_;  // there already with that shape
  std::vector<PortalShape> portals_;               // wanted
  std::set<uint32_t> connected_;                   // transit numbers of portals that are there as wanted
  std::vector<NetworkStep> steps_;
};

}  // namespace

PartPlan plan_part(const DesiredNetworks& part, const ActualNetworks& actual, const Rest& rest) {
  return PartPlanner(part, actual, rest).run();
}

}  // namespace mcloud::network
