#include "network/plan.h"

#include <algorithm>

#include "network/firewall.h"

namespace mcloud::network {
namespace {

constexpr uint32_t kVniMax = (1 << 24) - 1;
constexpr int kVxlanOverhead = 50;
constexpr int kMtuMin = 576;

bool is_good_name(const std::string& name, size_t size_max, bool capitals) {
  return !name.empty() && name.size() <= size_max && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (capitals && c >= 'A' && c <= 'Z');
  });
}

// The part of the wish that can be fulfilled, and what was left out.
struct Sifted {
  DesiredNetworks desired;
  std::vector<std::string> complaints;

  void complain(const std::string& what) { complaints.push_back(what); }
};

std::string network_text(const Network& network) { return "network " + std::to_string(network.vni); }

bool is_usable(const Range& range, Ipv4 address) {
  return range.contains(address) && address != range.first && address != range.gateway();
}

// Addresses are unique in the network, and so are interfaces in a container's namespace.
Network sift_members(const Network& network, std::set<std::pair<std::string, std::string>>& interfaces, Sifted& out) {
  Network kept = network;
  kept.members.clear();
  kept.remotes.clear();
  std::set<Ipv4> taken;
  for (const Member& member : network.members) {
    std::string text = "member " + member.address.text() + " of " + network_text(network);
    if (!is_usable(network.range, member.address)) {
      out.complain(text + ": not usable in " + network.range.text());
    } else if (!is_good_name(member.netns, 64, false) || !is_good_name(member.interface, 15, false)) {
      out.complain(text + ": \"" + member.netns + "\" or \"" + member.interface + "\" is no good name");
    } else if (taken.contains(member.address)) {
      out.complain(text + ": the address is taken");
    } else if (!interfaces.emplace(member.netns, member.interface).second) {
      out.complain(text + ": interface " + member.interface + " of " + member.netns + " is taken");
    } else {
      taken.insert(member.address);
      kept.members.push_back(member);
    }
  }
  for (const RemoteMember& remote : network.remotes) {
    std::string text = "remote member " + remote.address.text() + " of " + network_text(network);
    if (!is_usable(network.range, remote.address)) {
      out.complain(text + ": not usable in " + network.range.text());
    } else if (remote.node.is_none()) {
      out.complain(text + ": its node has no address");
    } else if (!taken.insert(remote.address).second) {
      out.complain(text + ": the address is taken");
    } else {
      kept.remotes.push_back(remote);
    }
  }
  std::sort(kept.members.begin(), kept.members.end());
  std::sort(kept.remotes.begin(), kept.remotes.end());
  return kept;
}

void sift_publications(const DesiredNetworks& desired, Sifted& out) {
  std::set<std::pair<Publication::Protocol, uint16_t>> taken;
  for (const Publication& publication : desired.publications) {
    if (publication.targets.empty()) continue;
    std::string text = "publication of port " + std::to_string(publication.port);
    auto network = std::find_if(out.desired.networks.begin(), out.desired.networks.end(),
                                [&](const Network& one) { return one.vni == publication.vni; });
    Publication kept = publication;
    std::erase_if(kept.targets, [&](const Publication::Target& target) {
      return network == out.desired.networks.end() || target.port == 0 ||
             std::none_of(network->members.begin(), network->members.end(),
                          [&](const Member& member) { return member.address == target.address; });
    });
    if (kept.targets.size() < publication.targets.size()) out.complain(text + ": a target is no local member");
    if (kept.targets.empty()) continue;
    if (publication.port == 0 || !taken.emplace(publication.protocol, publication.port).second) {
      out.complain(text + ": the port is taken");
      continue;
    }
    out.desired.publications.push_back(std::move(kept));
  }
}

// It becomes part of the rules' text.
bool is_interface_name(const std::string& name) {
  return name.size() <= 15 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.';
         });
}

Sifted sift(const DesiredNetworks& desired) {
  Sifted out;
  out.desired = desired;
  if (!is_interface_name(desired.uplink)) {
    out.complain("uplink \"" + desired.uplink + "\": no interface name");
    out.desired.uplink.clear();
  }
  out.desired.networks.clear();
  out.desired.publications.clear();
  std::set<uint32_t> vnis;
  std::set<std::pair<std::string, std::string>> interfaces;
  for (const Network& network : desired.networks) {
    if (network.vni == 0 || network.vni > kVniMax || !vnis.insert(network.vni).second) {
      out.complain(network_text(network) + ": the number is taken or not within 1.." + std::to_string(kVniMax));
    } else if (!is_good_name(network.name, 64, true) || network.range.prefix < 8 || network.range.prefix > 28) {
      out.complain(network_text(network) + ": \"" + network.name + "\" or " + network.range.text() + " is not usable");
    } else if (out.desired.networks.size() >= kTransitsMax) {
      out.complain(network_text(network) + ": too many networks");
    } else {
      out.desired.networks.push_back(sift_members(network, interfaces, out));
    }
  }
  sift_publications(desired, out);
  return out;
}

NetworkShape shape_of(const DesiredNetworks& desired, const Network& network) {
  return {network.contract,
          network.name,
          network.vni,
          network.range,
          desired.backplane,
          std::max(kMtuMin, desired.underlay_mtu - kVxlanOverhead),
          0};
}

class Planner {
 public:
  Planner(const DesiredNetworks& desired, const ActualNetworks& actual) : desired_(desired), actual_(actual) {
    choose_shapes();
  }

  std::vector<NetworkStep> steps() {
    protect_node();
    remove_networks();
    detach_members();
    remove_netns();
    for (const Network& network : desired_.networks) set_network(network);
    create_netns();
    attach_members();
    if (desired_.networks.empty() && !actual_.firewall.empty()) add(RemoveNodeFirewall{});
    return std::move(steps_);
  }

 private:
  void add(NetworkStep step) { steps_.push_back(std::move(step)); }

  // A network that is there as wanted keeps its transit link; new ones get the lowest free number.
  void choose_shapes() {
    std::set<uint32_t> taken;
    for (const Network& network : desired_.networks) {
      NetworkShape shape = shape_of(desired_, network);
      auto found = actual_.networks.find(network.vni);
      if (found != actual_.networks.end() && found->second.shape.has_value()) {
        shape.transit = found->second.shape->transit;
        if (shape == *found->second.shape && taken.insert(shape.transit).second) kept_[network.vni] = &found->second;
      }
      shapes_[network.vni] = shape;
    }
    uint32_t next = 0;
    for (auto& [vni, shape] : shapes_) {
      if (kept_.contains(vni)) continue;
      while (taken.contains(next)) ++next;
      shape.transit = next;
      taken.insert(next);
    }
  }

  // Before anything new is reachable.
  void protect_node() {
    if (desired_.networks.empty()) return;
    if (!actual_.forwarding) add(EnableForwarding{});
    std::map<uint32_t, uint32_t> transits;
    for (const auto& [vni, shape] : shapes_) transits[vni] = shape.transit;
    Rules rules = node_rules(desired_, transits);
    if (rules.revision != actual_.firewall) add(SetNodeFirewall{rules.removal + rules.text, rules.revision});
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
    Rules rules = network_rules(network, desired_.publications);
    // In a fresh namespace there is nothing to remove, which spares waiting for the kernel to dispose of it.
    std::string text = (kept == kept_.end() ? "" : rules.removal) + rules.text;
    if (rules.revision != there.firewall) add(SetNetworkFirewall{network.vni, text, rules.revision});

    std::map<Ipv4, Ipv4> remotes;
    std::set<Ipv4> peers;
    for (const RemoteMember& remote : network.remotes) {
      remotes[remote.address] = remote.node;
      peers.insert(remote.node);
    }
    for (const auto& [address, node] : there.remotes) {
      if (!remotes.contains(address)) add(RemoveRemote{network.vni, address});
    }
    for (Ipv4 peer : there.peers) {
      if (!peers.contains(peer)) add(RemovePeer{network.vni, peer});
    }
    for (Ipv4 peer : peers) {
      if (!there.peers.contains(peer)) add(SetPeer{network.vni, peer});
    }
    for (const auto& [address, node] : remotes) {
      auto found = there.remotes.find(address);
      if (found == there.remotes.end() || found->second != node) add(SetRemote{network.vni, {address, node}});
    }
  }

  void create_netns() {
    for (const std::string& netns : wanted_netns()) {
      if (!actual_.netns.contains(netns)) add(CreateNetns{netns});
    }
  }

  void attach_members() {
    for (const Network& network : desired_.networks) {
      for (const Member& member : network.members) {
        if (is_attached(network.vni, member)) continue;
        add(AttachMember{network.vni, member, network.range, shapes_[network.vni].mtu});
      }
    }
  }

  const DesiredNetworks& desired_;
  const ActualNetworks& actual_;
  std::map<uint32_t, NetworkShape> shapes_;        // wanted, by VNI
  std::map<uint32_t, const ActualNetwork*> kept_;  // there already with that shape
  std::vector<NetworkStep> steps_;
};

struct Describe {
  static std::string network(uint32_t vni) { return "network " + std::to_string(vni); }
  std::string operator()(const EnableForwarding&) const { return "enable IPv4 forwarding"; }
  std::string operator()(const SetNodeFirewall&) const { return "set the node's rules"; }
  std::string operator()(const RemoveNodeFirewall&) const { return "remove the node's rules"; }
  std::string operator()(const CreateNetwork& step) const { return "create " + network(step.shape.vni); }
  std::string operator()(const RemoveNetwork& step) const { return "remove " + network(step.vni); }
  std::string operator()(const SetNetworkFirewall& step) const { return "set the rules of " + network(step.vni); }
  std::string operator()(const SetPeer& step) const {
    return "add node " + step.node.text() + " to " + network(step.vni);
  }
  std::string operator()(const RemovePeer& step) const {
    return "remove node " + step.node.text() + " from " + network(step.vni);
  }
  std::string operator()(const SetRemote& step) const {
    return "find " + step.remote.address.text() + " of " + network(step.vni) + " on node " + step.remote.node.text();
  }
  std::string operator()(const RemoveRemote& step) const {
    return "forget " + step.address.text() + " of " + network(step.vni);
  }
  std::string operator()(const CreateNetns& step) const { return "create the namespace of " + step.netns; }
  std::string operator()(const RemoveNetns& step) const { return "remove the namespace of " + step.netns; }
  std::string operator()(const AttachMember& step) const {
    return "attach " + step.member.address.text() + " (" + step.member.netns + ") to " + network(step.vni);
  }
  std::string operator()(const DetachMember& step) const {
    return "detach " + step.address.text() + " from " + network(step.vni);
  }
};

}  // namespace

std::vector<NetworkStep> plan(const DesiredNetworks& desired, const ActualNetworks& actual) {
  Sifted sifted = sift(desired);
  return Planner(sifted.desired, actual).steps();
}

std::vector<std::string> complaints(const DesiredNetworks& desired) { return sift(desired).complaints; }

std::string describe(const NetworkStep& step) { return std::visit(Describe(), step); }

}  // namespace mcloud::network
