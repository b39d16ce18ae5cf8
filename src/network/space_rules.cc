#include "network/space_rules.h"

#include <algorithm>

#include "network/mesh.h"
#include "network/planted.h"
#include "network/rules_text.h"
#include "network/sift.h"

namespace mcloud::network {
namespace {

bool holds(const std::vector<Ipv4>& addresses, Ipv4 address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

// `side` of the packet: "dport", "sport".
std::string ports_text(const std::string& protocol, uint16_t first, uint16_t last, const std::string& side) {
  if (protocol.empty()) return "";
  if (first == 0) return " meta l4proto " + protocol;
  std::string ports = first == last ? std::to_string(first) : std::to_string(first) + "-" + std::to_string(last);
  return " " + protocol + " " + side + " " + ports;
}

std::string allow_text(size_t index) { return " counter accept comment \"allow " + std::to_string(index + 1) + "\"\n"; }

// A rule as one end sees it: `condition` names the interface, `side` the other end's addresses.
std::string one_end(const Network& network, size_t index, const std::string& condition, const char* side,
                    const std::vector<Ipv4>& others) {
  const AllowRule& rule = network.allow[index];
  std::string rest = ports_text(rule.protocol, rule.port_first, rule.port_last, "dport") + allow_text(index);
  std::string out = "    " + condition + " ip " + side + " " + addresses_text(others) + rest;
  if (network.range6.empty()) return out;
  return out + "    " + condition + " ip6 " + side + " " + addresses6_text(others, network.range6) + rest;
}

// The world has one end here only. What of it is forbidden, and where the way out is, are the node's rules.
std::string to_world(const Network& network, size_t index, const std::string& condition) {
  const AllowRule& rule = network.allow[index];
  std::string rest = ports_text(rule.protocol, rule.port_first, rule.port_last, "dport") + allow_text(index);
  std::string out = "    " + condition + " ip daddr != " + network.range.text() + rest;
  if (network.range6.empty()) return out;
  return out + "    " + condition + " ip6 daddr != { " + network.range6 + ", fe80::/10 }" + rest;
}

// ---- containers --------------------------------------------------------------------------------

// Ports where the world comes in: publications and ways that lead to this member. The world is not of the range; a portal
// is, and needs a rule.
std::string entrances_of(const Network& network, const Member& member, const std::vector<Publication>& publications) {
  std::map<std::string, std::set<uint16_t>> ports;
  for (const Publication& publication : publications) {
    if (publication.vni != network.vni || !publication.portal.empty()) continue;
    for (const Publication::Target& target : publication.targets) {
      bool is_tcp = publication.protocol == Publication::Protocol::Tcp;
      if (target.address == member.address) ports[is_tcp ? "tcp" : "udp"].insert(target.port);
    }
  }
  for (const Way& way : network.ways) {
    if (way.portal.empty() && way.address == member.address) ports[way.protocol].insert(way.target_port);
  }
  std::string out;
  for (const auto& [protocol, numbers] : ports) {
    std::string rest = protocol + " dport { " + join(numbers, [](uint16_t port) { return std::to_string(port); }) +
                       " } counter accept comment \"published\"\n";
    std::string from = "    iifname \"" + member.interface + "\" ";
    out += from + "ip saddr != " + network.range.text() + " " + rest;
    if (!network.range6.empty()) out += from + "ip6 saddr != { " + network.range6 + ", fe80::/10 } " + rest;
  }
  return out;
}

std::string member_input(const Network& network, const Member& member, const std::vector<Publication>& publications) {
  std::string in = "iifname \"" + member.interface + "\"";
  std::string out;
  for (size_t i = 0; i < network.allow.size(); ++i) {
    const AllowRule& rule = network.allow[i];
    if (!rule.from.empty() && holds(rule.to, member.address)) out += one_end(network, i, in, "saddr", rule.from);
  }
  out += entrances_of(network, member, publications);
  if (planted::kAnybodyIn) return out;
  return out + "    " + in + " counter drop comment \"not allowed in\"\n";
}

std::string member_output(const Network& network, const Member& member) {
  std::string to = "oifname \"" + member.interface + "\"";
  std::string gateway = network.range.gateway().text();
  std::string gateway6 = address6_of(network.range6, network.range.gateway());
  std::string out;
  for (const char* protocol : {"udp", "tcp"}) {
    out += "    " + to + " ip daddr " + gateway + " " + protocol + " dport 53 accept\n";
    if (!gateway6.empty()) out += "    " + to + " ip6 daddr " + gateway6 + " " + protocol + " dport 53 accept\n";
  }
  for (size_t i = 0; i < network.allow.size(); ++i) {
    const AllowRule& rule = network.allow[i];
    if (!holds(rule.from, member.address)) continue;
    if (!rule.to.empty()) out += one_end(network, i, to, "daddr", rule.to);
    if (rule.to_world) out += to_world(network, i, to);
  }
  if (planted::kAnybodyIn) return out;
  return out + "    " + to + " counter drop comment \"not allowed out\"\n";
}

struct Chains {
  std::string owner, input, output;
};

constexpr const char* kAlways = R"(    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report, nd-router-solicit } drop
)";

Rules container_rules(const Chains& chains) {
  std::string out = "  chain input {\n    type filter hook input priority filter; policy accept;\n    iifname \"lo\" accept\n" +
                    std::string(kAlways) + chains.input + "  }\n";
  out += "  chain output {\n    type filter hook output priority filter; policy accept;\n    oifname \"lo\" accept\n" +
         std::string(kAlways) + chains.output + "  }\n";
  return finish_rules(chains.owner, out, "");
}

// ---- portals -----------------------------------------------------------------------------------

constexpr const char* kPortalInput = R"(  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    icmp type echo-request accept
    icmpv6 type echo-request accept
    icmpv6 type { mld-listener-query, mld2-listener-report } drop
    counter drop comment "to the portal"
  }
)";

std::string owner_of(const Network& network) { return network.contract.hex() + " " + network.name; }

std::string led_in(const Network& network, const std::string& protocol, uint16_t port,
                   const std::vector<Publication::Target>& targets, std::set<Led>& led) {
  lead(protocol, port, targets, network.range6, led);
  std::string from = std::string("    iifname \"") + kTransit + "\" " + protocol + " dport " + std::to_string(port) + " dnat ";
  std::string out = from + "ip to " + destination(targets) + "\n";
  if (!network.range6.empty()) out += from + "ip6 to " + destination6(targets, network.range6) + "\n";
  return out;
}

Rules gateway_portal_rules(const Network& network, const Member& portal, const std::vector<Publication>& publications) {
  std::set<Led> led;
  std::string out = "  chain publish {\n    type nat hook prerouting priority dstnat; policy accept;\n";
  for (const Way& way : network.ways) {
    if (way.portal == portal.netns) out += led_in(network, way.protocol, way.port, {{way.address, way.target_port}}, led);
  }
  for (const Publication& publication : publications) {
    if (publication.portal != portal.netns || publication.targets.empty()) continue;
    bool is_tcp = publication.protocol == Publication::Protocol::Tcp;
    out += led_in(network, is_tcp ? "tcp" : "udp", publication.port, publication.targets, led);
  }
  std::string eth = "\"" + portal.interface + "\"";
  out += "  }\n  chain leave {\n    type nat hook postrouting priority srcnat; policy accept;\n    oifname " + eth +
         " ct status dnat masquerade\n  }\n" + std::string(kPortalInput) + clamp_chain("");
  out += "  chain forward {\n    type filter hook forward priority filter; policy drop;\n"
         "    ct state established,related accept\n    iifname \"" + std::string(kTransit) + "\" oifname " + eth +
         " ct status dnat counter accept comment \"ways\"\n    counter drop comment \"no way\"\n  }\n";
  return finish_leading_rules(owner_of(network), out, "", std::move(led));
}

// A rule as it is seen on the way. A device that came from another access point, or comes back, brings connections along
// of which this one's conntrack knows nothing or old windows: what belongs to some connection is let through against the
// rule's direction too. None begins that way, and the other end's conntrack has seen it all.
std::string both_ends(const Network& network, size_t index) {
  const AllowRule& rule = network.allow[index];
  std::string rest = ports_text(rule.protocol, rule.port_first, rule.port_last, "dport") + allow_text(index);
  std::string back = ports_text("tcp", rule.port_first, rule.port_last, "sport") + " tcp flags & syn == 0 accept\n";
  bool is_tcp = rule.protocol.empty() || rule.protocol == "tcp";
  auto family = [&](const char* ip, const std::string& from, const std::string& to) {
    std::string source = std::string("    ") + ip + " saddr ", target = std::string(" ") + ip + " daddr ";
    return source + from + target + to + rest + (is_tcp ? source + to + target + from + back : "");
  };
  std::string out = family("ip", addresses_text(rule.from), addresses_text(rule.to));
  if (network.range6.empty()) return out;
  return out + family("ip6", addresses6_text(rule.from, network.range6), addresses6_text(rule.to, network.range6));
}

// What devices may open, and what may be opened to them. WireGuard and the bridge have looked at the source.
std::string access_forward(const Network& network) {
  std::string out;
  if (!network.restricted) {
    out += "    ip saddr " + network.range.text() + " ip daddr " + network.range.text() + " counter accept comment \"device\"\n";
    if (network.range6.empty()) return out;
    return out + "    ip6 saddr " + network.range6 + " ip6 daddr " + network.range6 + " counter accept comment \"device\"\n";
  }
  std::string gateway = network.range.gateway().text();
  std::string gateway6 = address6_of(network.range6, network.range.gateway());
  for (const char* protocol : {"udp", "tcp"}) {
    std::string from = std::string("    iifname \"") + kAccessDevice + "\" ";
    out += from + "ip daddr " + gateway + " " + protocol + " dport 53 accept\n";
    if (!gateway6.empty()) out += from + "ip6 daddr " + gateway6 + " " + protocol + " dport 53 accept\n";
  }
  auto is_device = [&](Ipv4 address) {
    return std::any_of(network.access->devices.begin(), network.access->devices.end(),
                       [&](const Device& device) { return device.address == address; });
  };
  for (size_t i = 0; i < network.allow.size(); ++i) {
    const AllowRule& rule = network.allow[i];
    bool is_here = std::any_of(rule.from.begin(), rule.from.end(), is_device) ||
                   std::any_of(rule.to.begin(), rule.to.end(), is_device);
    if (is_here && !rule.from.empty() && !rule.to.empty()) out += both_ends(network, i);
  }
  return out;
}

Rules access_portal_rules(const Network& network) {
  std::string out = std::string(kPortalInput) + clamp_chain("");
  out += "  chain forward {\n    type filter hook forward priority filter; policy drop;\n"
         "    ct state established,related accept\n" +
         access_forward(network) + "    counter drop comment \"not allowed\"\n  }\n";
  // Its revision comes last: a crash before it forwards has it made again.
  return finish_leading_rules(owner_of(network), out, "", {});
}

}  // namespace

std::map<std::string, SpaceRules> space_rules(const DesiredNetworks& desired) {
  std::map<std::string, SpaceRules> out;
  std::map<std::string, Chains> containers;
  std::map<uint32_t, std::vector<Publication>> by_vni;
  for (const Publication& publication : desired.publications) by_vni[publication.vni].push_back(publication);
  for (const Network& network : desired.networks) {
    const std::vector<Publication>& publications = by_vni[network.vni];
    for (const Member& portal : gateway_portals(network)) {
      out[portal.netns] = {gateway_portal_rules(network, portal, publications), true};
    }
    if (const Member* portal = access_portal(network)) out[portal->netns] = {access_portal_rules(network), true};
    for (const Member& member : network.members) {
      if (member.is_portal || !network.restricted) continue;
      Chains& chains = containers[member.netns];
      if (chains.owner.empty()) chains.owner = network.contract.hex();
      chains.input += member_input(network, member, publications);
      chains.output += member_output(network, member);
    }
  }
  for (const auto& [netns, chains] : containers) out[netns] = {container_rules(chains), false};
  return out;
}

}  // namespace mcloud::network
