#include "network/sift.h"

#include <algorithm>
#include <tuple>

#include "base/ip_prefix.h"
#include "network/firewall.h"

namespace mcloud::network {
namespace {

constexpr uint32_t kVniMax = (1 << 24) - 1;

bool is_good_name(const std::string& name, size_t size_max, bool capitals) {
  return !name.empty() && name.size() <= size_max && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (capitals && c >= 'A' && c <= 'Z');
  });
}

// It becomes part of the rules' text.
bool is_interface_name(const std::string& name) {
  return name.size() <= 15 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.';
         });
}

bool is_usable(const Range& range, Ipv4 address) {
  return range.contains(address) && address != range.first && address != range.gateway();
}

std::string network_text(const Network& network) { return "network " + std::to_string(network.vni); }

// What is taken by networks that came before.
struct Taken {
  std::set<uint32_t> vnis;
  std::set<std::pair<std::string, std::string>> interfaces;  // of namespaces
  std::set<std::string> containers, portals;                 // namespaces
  std::set<std::string> bridges;
  std::set<uint16_t> access_ports;
};

class Sieve {
 public:
  explicit Sieve(const DesiredNetworks& desired) : wish_(desired) {}

  Sifted run() {
    sift_node();
    for (size_t i = 0; i < wish_.networks.size(); ++i) {
      if (!is_network_good(wish_.networks[i])) continue;
      by_vni_[wish_.networks[i].vni] = out_.desired.networks.size();
      out_.desired.networks.push_back(sift_network(wish_.networks[i]));
      out_.networks_from.push_back(i);
    }
    sift_publications();
    for (Network& network : out_.desired.networks) sift_ways(network);
    return std::move(out_);
  }

 private:
  void sift_node() {
    out_.desired.backplane = wish_.backplane;
    out_.desired.uplink = wish_.uplink;
    out_.desired.underlay_mtu = wish_.underlay_mtu;
    out_.desired.forbidden = wish_.forbidden;
    out_.desired.forbidden6 = wish_.forbidden6;
    out_.desired.forbidden_services = wish_.forbidden_services;
    if (!is_interface_name(wish_.uplink)) {
      out_.complain("uplink \"" + wish_.uplink + "\": no interface name");
      out_.desired.uplink.clear();
    }
    std::erase_if(out_.desired.forbidden6, [&](const std::string& text) {
      size_t slash = text.find('/');
      bool is_good = Ipv6::parse(text.substr(0, slash)).has_value() &&
                     (slash == std::string::npos || is_prefix(text.substr(slash + 1)));
      if (!is_good) out_.complain("forbidden range \"" + text + "\": no IPv6 range");
      return !is_good;
    });
    std::erase_if(out_.desired.forbidden_services, [&](const std::string& text) {
      bool is_good = IpEndpoint::parse(text).has_value();
      if (!is_good) out_.complain("forbidden service \"" + text + "\": no address with a port");
      return !is_good;
    });
  }

  static bool is_prefix(const std::string& text) {
    bool is_number = !text.empty() && text.size() <= 3 &&
                     std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    return is_number && std::stoi(text) <= 128;
  }

  bool is_network_good(const Network& network) {
    std::string text = network_text(network);
    if (network.vni == 0 || network.vni > kVniMax || !taken_.vnis.insert(network.vni).second) {
      out_.complain(text + ": the number is taken or not within 1.." + std::to_string(kVniMax));
    } else if (!is_good_name(network.name, 64, true) || network.range.prefix < 8 || network.range.prefix > 28) {
      out_.complain(text + ": \"" + network.name + "\" or " + network.range.text() + " is not usable");
    } else if (transits_ + transits_of(network) > kTransitsMax) {
      out_.complain(text + ": too many networks");
    } else if (!is_bridge_good(network)) {
      out_.complain(text + ": \"" + network.bridge + "\" is no interface for it alone, or the network is encrypted");
    } else {
      transits_ += transits_of(network);
      return true;
    }
    return false;
  }

  bool is_bridge_good(const Network& network) {
    if (network.bridge.empty()) return true;
    return network.underlay == Underlay::Plain && is_interface_name(network.bridge) &&
           network.bridge != wish_.uplink && taken_.bridges.insert(network.bridge).second;
  }

  Network sift_network(const Network& network) {
    Network kept = network;
    auto range6 = Range6::parse(network.range6);
    if (!network.range6.empty() && !range6.has_value()) {
      out_.complain(network_text(network) + ": \"" + network.range6 + "\" is no IPv6 range");
    }
    kept.range6 = range6.has_value() ? range6->text() : "";
    addresses_.clear();
    sift_members(network, kept);
    sift_remotes(network, kept);
    sift_access(kept);
    for (size_t i = 0; i < kept.allow.size(); ++i) sift_rule(kept, i);
    return kept;
  }

  // A portal's namespace is in one network only; interfaces are unique in a namespace.
  bool take_namespace(const Member& member) {
    bool is_free = member.is_portal ? !taken_.containers.contains(member.netns) && !taken_.portals.contains(member.netns)
                                    : !taken_.portals.contains(member.netns);
    if (!is_free || !taken_.interfaces.emplace(member.netns, member.interface).second) return false;
    (member.is_portal ? taken_.portals : taken_.containers).insert(member.netns);
    return true;
  }

  // Addresses are unique in the network.
  void sift_members(const Network& network, Network& kept) {
    kept.members.clear();
    for (const Member& member : network.members) {
      std::string text = "member " + member.address.text() + " of " + network_text(network);
      if (!is_usable(network.range, member.address)) {
        out_.complain(text + ": not usable in " + network.range.text());
      } else if (!is_good_name(member.netns, 64, false) || !is_good_name(member.interface, 15, false)) {
        out_.complain(text + ": \"" + member.netns + "\" or \"" + member.interface + "\" is no good name");
      } else if (addresses_.contains(member.address)) {
        out_.complain(text + ": the address is taken");
      } else if (!take_namespace(member)) {
        out_.complain(text + ": interface " + member.interface + " of " + member.netns + " is taken");
      } else {
        addresses_.insert(member.address);
        kept.members.push_back(member);
      }
    }
    std::sort(kept.members.begin(), kept.members.end());
  }

  void sift_remotes(const Network& network, Network& kept) {
    kept.remotes.clear();
    for (const RemoteMember& remote : network.remotes) {
      std::string text = "remote member " + remote.address.text() + " of " + network_text(network);
      if (!is_usable(network.range, remote.address)) {
        out_.complain(text + ": not usable in " + network.range.text());
      } else if (remote.node.is_none()) {
        out_.complain(text + ": its node has no address");
      } else if (!addresses_.insert(remote.address).second) {
        out_.complain(text + ": the address is taken");
      } else {
        kept.remotes.push_back(remote);
      }
    }
    std::sort(kept.remotes.begin(), kept.remotes.end());
  }

  void sift_access(Network& kept) {
    if (!kept.access.has_value()) return;
    std::string text = "access to " + network_text(kept);
    if (access_portal(kept) == nullptr || kept.access->secret == WireGuardKey() || kept.access->port == 0) {
      out_.complain(text + ": no portal here, no key or no port");
      kept.access.reset();
    } else if (!taken_.access_ports.insert(kept.access->port).second) {
      out_.complain(text + ": port " + std::to_string(kept.access->port) + " is taken");
      kept.access.reset();
    } else {
      std::set<WireGuardKey> keys;
      std::erase_if(kept.access->devices, [&](const Device& device) {
        bool is_good = is_usable(kept.range, device.address) && !addresses_.contains(device.address) &&
                       device.key != WireGuardKey() && keys.insert(device.key).second;
        if (is_good) addresses_.insert(device.address);
        if (!is_good) out_.complain("device " + device.address.text() + " of " + network_text(kept) + ": key or address is taken or not usable");
        return !is_good;
      });
      std::sort(kept.access->devices.begin(), kept.access->devices.end());
    }
  }

  // Its place stays, so that "allow 3" is the third of the contract.
  void sift_rule(Network& kept, size_t index) {
    AllowRule& rule = kept.allow[index];
    bool has_ports = rule.port_first != 0 || rule.port_last != 0;
    bool is_good = (rule.protocol == "tcp" || rule.protocol == "udp" || (rule.protocol.empty() && !has_ports)) &&
                   rule.port_first <= rule.port_last && (!has_ports || rule.port_first != 0);
    if (!is_good) {
      out_.complain("rule " + std::to_string(index + 1) + " of " + network_text(kept) + ": protocol or ports");
      rule.from.clear();
    }
    for (std::vector<Ipv4>* side : {&rule.from, &rule.to}) {
      std::erase_if(*side, [&](Ipv4 address) { return !is_usable(kept.range, address); });
      std::sort(side->begin(), side->end());
      side->erase(std::unique(side->begin(), side->end()), side->end());
    }
  }

  void sift_publications() {
    std::set<std::pair<Publication::Protocol, uint16_t>> taken;
    for (size_t i = 0; i < wish_.publications.size(); ++i) {
      const Publication& publication = wish_.publications[i];
      if (publication.targets.empty()) continue;
      std::string text = "publication of port " + std::to_string(publication.port);
      auto found = by_vni_.find(publication.vni);
      const Network* network = found == by_vni_.end() ? nullptr : &out_.desired.networks[found->second];
      Publication kept = publication;
      std::erase_if(kept.targets, [&](const Publication::Target& target) {
        return network == nullptr || target.port == 0 || !leads(*network, publication.portal, target.address);
      });
      if (kept.targets.size() < publication.targets.size()) {
        out_.complain(text + (publication.portal.empty() ? ": a target is no local member"
                                                         : ": a target is not of the network, or there is no such portal"));
      }
      if (kept.targets.empty()) continue;
      if (!std::all_of(kept.from.begin(), kept.from.end(), [](const auto& range) { return IpPrefix::parse(range).has_value(); })) {
        out_.complain(text + ": who may come in is no range");
        continue;
      }
      if (publication.port == 0 || !taken.emplace(publication.protocol, publication.port).second) {
        out_.complain(text + ": the port is taken");
        continue;
      }
      std::string protocol = publication.protocol == Publication::Protocol::Tcp ? "tcp" : "udp";
      published_.emplace(publication.vni, publication.portal, protocol, publication.port);
      out_.desired.publications.push_back(std::move(kept));
      out_.publications_from.push_back(i);
    }
  }

  static bool is_member(const Network& network, Ipv4 address) {
    return std::any_of(network.members.begin(), network.members.end(),
                       [&](const Member& member) { return member.address == address; });
  }

  // Through a portal every member is reached, else a local one.
  static bool leads(const Network& network, const std::string& portal, Ipv4 address) {
    if (portal.empty()) return is_member(network, address);
    std::vector<Member> portals = gateway_portals(network);
    return is_usable(network.range, address) &&
           std::any_of(portals.begin(), portals.end(), [&](const Member& one) { return one.netns == portal; });
  }

  void sift_ways(Network& kept) {
    std::set<std::tuple<std::string, std::string, uint16_t>> taken;
    std::erase_if(kept.ways, [&](const Way& way) {
      std::string text = "way " + way.protocol + " " + std::to_string(way.port) + " of " + network_text(kept);
      bool is_whole = (way.protocol == "tcp" || way.protocol == "udp") && way.port != 0 && way.target_port != 0;
      if (!leads(kept, way.portal, way.address) || !is_whole) {
        out_.complain(text + ": it leads nowhere, or there is no such portal");
        return true;
      }
      bool is_free = taken.emplace(way.portal, way.protocol, way.port).second &&
                     !published_.contains({kept.vni, way.portal, way.protocol, way.port});
      if (!is_free) out_.complain(text + ": the port is taken");
      return !is_free;
    });
    std::sort(kept.ways.begin(), kept.ways.end());
  }

  const DesiredNetworks& wish_;
  Sifted out_;
  Taken taken_;
  size_t transits_ = 0;
  std::map<uint32_t, size_t> by_vni_;  // places in out_
  std::set<Ipv4> addresses_;  // of the network in hand
  std::set<std::tuple<uint32_t, std::string, std::string, uint16_t>> published_;
};

}  // namespace

Sifted sift(const DesiredNetworks& desired) { return Sieve(desired).run(); }

size_t transits_of(const Network& network) {
  return 1 + static_cast<size_t>(std::count_if(network.members.begin(), network.members.end(),
                                               [](const Member& member) { return member.is_portal; }));
}

const Member* access_portal(const Network& network) {
  if (!network.access.has_value()) return nullptr;
  for (const Member& member : network.members) {
    if (member.is_portal && member.netns == network.access->portal) return &member;
  }
  return nullptr;
}

std::vector<Member> gateway_portals(const Network& network) {
  std::vector<Member> out;
  const Member* access = access_portal(network);
  for (const Member& member : network.members) {
    if (member.is_portal && (access == nullptr || member.netns != access->netns)) out.push_back(member);
  }
  return out;
}

}  // namespace mcloud::network
