#include "network/firewall.h"

#include <algorithm>
#include <optional>

#include "base/ip_prefix.h"
#include "network/planted.h"
#include "network/resolver.h"
#include "network/rules_text.h"

namespace mcloud::network {
namespace {

constexpr uint8_t kTransit6[] = {0xFD, 0x6D, 0x63, 0x00, 0x74, 0x72};  // fd6d:6300:7472::/112
constexpr uint32_t kSlotMask = 3;                                       // a node's addresses in the mesh: mesh.h

Ipv6 transit6(uint32_t number) {
  Ipv6 address;
  std::copy(std::begin(kTransit6), std::end(kTransit6), address.bytes.begin());
  address.bytes[14] = static_cast<uint8_t>(number >> 8);
  address.bytes[15] = static_cast<uint8_t>(number);
  return address;
}

std::string protocol_name(Publication::Protocol protocol) {
  return protocol == Publication::Protocol::Tcp ? "tcp" : "udp";
}

// The link that a publication leads into.
std::optional<uint32_t> transit_of(const Publication& publication, const Transits& transits) {
  if (publication.portal.empty()) {
    auto found = transits.networks.find(publication.vni);
    return found == transits.networks.end() ? std::nullopt : std::optional(found->second);
  }
  auto found = transits.portals.find(publication.portal);
  return found == transits.portals.end() ? std::nullopt : std::optional(found->second);
}

// Ports of the uplink by protocol, with the transit addresses of the networks and portals they lead to.
std::string publication_maps(const DesiredNetworks& desired, const Transits& transits, std::set<Led>& led) {
  std::map<std::string, std::string> elements;
  std::map<uint32_t, const Network*> networks;
  for (const Network& network : desired.networks) networks[network.vni] = &network;
  for (const Publication& publication : desired.publications) {
    auto transit = transit_of(publication, transits);
    auto network = networks.find(publication.vni);
    if (!transit.has_value() || network == networks.end() || publication.targets.empty()) continue;
    std::string key = std::to_string(publication.port) + " " + owner_comment(network->second->contract) + " : ";
    auto add = [&](const std::string& map, const std::string& address) {
      elements[map] += (elements[map].empty() ? "" : ", ") + key + address;
    };
    std::string map = protocol_name(publication.protocol) + "_publications";
    bool is_udp = publication.protocol == Publication::Protocol::Udp, has_ipv6 = !network->second->range6.empty();
    std::string to = transit_network_address(*transit).text(), to6 = transit_network_address6(*transit).text();
    add(map, to);
    if (has_ipv6) add(map + "6", to6);
    if (is_udp) led.insert({publication.port, to, publication.port});
    if (is_udp && has_ipv6) led.insert({publication.port, to6, publication.port});
  }
  std::string out;
  for (const char* protocol : {"tcp", "udp"}) {
    std::string map = std::string(protocol) + "_publications";
    out += set_of("map " + map, "type inet_service : ipv4_addr", elements[map]);
    out += set_of("map " + map + "6", "type inet_service : ipv6_addr", elements[map + "6"]);
  }
  return out;
}

std::string to_publications(const std::string& condition) {
  std::string out;
  for (const char* protocol : {"tcp", "udp"}) {
    for (const char* family : {"ip", "ip6"}) {
      std::string map = std::string(protocol) + "_publications" + (family == std::string("ip6") ? "6" : "");
      out += "    " + condition + " fib daddr type local dnat " + family + " to " + protocol + " dport map @" + map + "\n";
    }
  }
  return out;
}

// Who may come in at a publication: a name of sets, one of each family.
std::string allowed_set(const Publication& publication) {
  return "from_" + protocol_name(publication.protocol) + "_" + std::to_string(publication.port);
}

bool is_bounded(const Publication& publication, const Transits& transits) {
  return !publication.portal.empty() && !publication.from.empty() && transit_of(publication, transits).has_value();
}

std::string allowed_sets(const DesiredNetworks& desired, const Transits& transits) {
  std::string out;
  for (const Publication& publication : desired.publications) {
    if (!is_bounded(publication, transits)) continue;
    std::vector<std::string> ranges, ranges6;
    for (const std::string& range : publication.from) {
      (range.find(':') == std::string::npos ? ranges : ranges6).push_back(range);
    }
    auto text = [](const std::string& range) { return range; };
    std::string name = "set " + allowed_set(publication);
    out += set_of(name, "type ipv4_addr; flags interval; auto-merge", join(ranges, text));
    out += set_of(name + "_6", "type ipv6_addr; flags interval; auto-merge", join(ranges6, text));
  }
  return out;
}

// To portals go requests only, so that what a range may no longer do ends at once.
std::string allowed_rules(const DesiredNetworks& desired, const Transits& transits) {
  std::string out;
  for (const Publication& publication : desired.publications) {
    if (!is_bounded(publication, transits)) continue;
    std::string to = "    oifname \"" + portal_interface(*transit_of(publication, transits)) + "\" meta l4proto " +
                     protocol_name(publication.protocol) + " ct original proto-dst " + std::to_string(publication.port);
    for (const char* family : {"ip", "ip6"}) {
      std::string set = allowed_set(publication) + (family == std::string("ip6") ? "_6" : "");
      out += to + " " + family + " saddr != @" + set + " counter drop comment \"not of those allowed\"\n";
    }
  }
  return out;
}

// What must never leave the node: forbidden ranges and single ports, and what networks of the node have among themselves.
std::string forbidden_sets(const DesiredNetworks& desired) {
  std::set<std::string> services, services6;
  for (const std::string& text : desired.forbidden_services) {
    auto service = IpEndpoint::parse(text);
    if (!service.has_value()) continue;
    (service->address.is_v6 ? services6 : services).insert(service->address.text() + " . " + std::to_string(service->port));
  }
  auto same = [](const std::string& text) { return text; };
  std::set<std::string> ranges = {"198.18.0.0/15"}, ranges6 = {"fc00::/7", "fe80::/10", "ff00::/8"};
  for (const Range& range : desired.forbidden) ranges.insert(range.text());
  ranges6.insert(desired.forbidden6.begin(), desired.forbidden6.end());
  return set_of("set forbidden", "type ipv4_addr; flags interval; auto-merge", join(ranges, same)) +
         set_of("set forbidden6", "type ipv6_addr; flags interval; auto-merge", join(ranges6, same)) +
         set_of("set forbidden_services", "type ipv4_addr . inet_service", join(services, same)) +
         set_of("set forbidden_services6", "type ipv6_addr . inet_service", join(services6, same));
}

std::string node_sets(const DesiredNetworks& desired, const Transits& transits, std::set<Led>& led) {
  std::string out = set_of(std::string("set ") + kSources, "typeof ip saddr . @th,96,24", "");
  return out + forbidden_sets(desired) + publication_maps(desired, transits, led) + allowed_sets(desired, transits);
}

// Nothing of the node is for containers but the resolver.
std::string node_input(const std::string& uplink) {
  std::string plain = std::to_string(kPlainPort);
  std::string out = "  chain input {\n    type filter hook input priority filter; policy accept;\n    udp dport " + plain +
                    " ip saddr . @th,96,24 != @sources counter drop comment \"no peer\"\n    meta nfproto ipv6 udp dport " +
                    plain + " counter drop comment \"no peer\"\n";
  // The backplane's addresses come from the world only when they live there.
  if (!uplink.empty()) {
    out += "    iifname \"" + uplink + "\" udp dport " + plain +
           " fib saddr . iif oif missing counter drop comment \"no peer\"\n";
  }
  out += R"(    iifname "mcloud-*" ct state established,related accept
    iifname "mcloud-*" icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
)";
  for (const char* protocol : {"udp", "tcp"}) {
    out += std::string("    iifname \"mcloud-*\" ip daddr ") + kResolverAddress + " " + protocol + " dport 53 accept\n";
    out += std::string("    iifname \"mcloud-*\" ip6 daddr ") + kResolverAddress6 + " " + protocol + " dport 53 accept\n";
  }
  out += "    iifname \"mcloud-*\" counter drop comment \"to the node\"\n    iifname != \"lo\" ip daddr " +
         std::string(kResolverAddress) + " counter drop comment \"to the resolver\"\n    iifname != \"lo\" ip6 daddr " +
         kResolverAddress6 + " counter drop comment \"to the resolver\"\n  }\n";
  return out;
}

std::string node_forward(const std::string& uplink, const std::string& first) {
  std::string out = "  chain forward {\n    type filter hook forward priority filter; policy accept;\n" + first +
                    R"(    ct state established,related accept
    iifname "mcloud-*" ct original ip daddr @forbidden counter drop comment "forbidden"
    iifname "mcloud-*" ct original ip6 daddr @forbidden6 counter drop comment "forbidden"
    iifname "mcloud-*" meta l4proto { tcp, udp } ct original ip daddr . ct original proto-dst @forbidden_services counter drop comment "forbidden"
    iifname "mcloud-*" meta l4proto { tcp, udp } ct original ip6 daddr . ct original proto-dst @forbidden_services6 counter drop comment "forbidden"
    oifname "mcloud-*" ct status dnat accept
    oifname "mcloud-*" counter drop comment "not published"
)";
  if (!uplink.empty()) out += "    iifname \"mcloud-*\" oifname \"" + uplink + "\" accept\n";
  return out + "    iifname \"mcloud-*\" counter drop comment \"no way out\"\n  }\n";
}

}  // namespace

std::string transit_interface(uint32_t vni) { return "mcloud-" + std::to_string(vni); }
std::string portal_interface(uint32_t transit) { return "mcloud-p" + std::to_string(transit); }
Ipv4 transit_node_address(uint32_t transit) { return Ipv4{0xC6130000 + 2 * transit}; }
Ipv4 transit_network_address(uint32_t transit) { return Ipv4{0xC6130001 + 2 * transit}; }
Ipv6 transit_node_address6(uint32_t transit) { return transit6(2 * transit); }
Ipv6 transit_network_address6(uint32_t transit) { return transit6(2 * transit + 1); }

std::string port_name(Ipv4 member) {
  Bytes bytes;
  append_u32_be(bytes, member.value);
  return "m" + to_hex(bytes);
}

std::set<VxlanSource> vxlan_sources(const DesiredNetworks& desired, Underlay underlay) {
  std::vector<VxlanSource> all;
  for (const Network& network : desired.networks) {
    if (network.underlay != underlay) continue;
    add_sources(network, all);
    for (const Network& other : desired.networks) {
      for (const RemoteMember& remote : network.remotes) {
        if (planted::kAnyNetwork) all.push_back({remote.node, other.vni});
      }
    }
  }
  std::sort(all.begin(), all.end());
  return {all.begin(), all.end()};
}

void add_sources(const Network& network, std::vector<VxlanSource>& out) {
  for (const RemoteMember& remote : network.remotes) {
    out.push_back({remote.node, network.vni});
    if (network.underlay == Underlay::Plain) continue;
    for (uint32_t slot : {0U, 1U}) out.push_back({Ipv4{(remote.node.value & ~kSlotMask) | slot}, network.vni});
  }
}

std::string source_elements(const std::set<VxlanSource>& sources) {
  return join(sources, [](const VxlanSource& source) { return source.node.text() + " . " + std::to_string(source.vni); });
}

std::string sources_text(const std::set<VxlanSource>& sources) {
  if (sources.empty()) return "";
  return std::string("add element inet ") + kTable + " " + kSources + " { " + source_elements(sources) + " }\n";
}

Rules node_rules(const DesiredNetworks& desired, const Transits& transits) {
  std::set<Led> led;
  std::string out = node_sets(desired, transits, led) + untracked_chains(kPlainPort, "iifname != \"mcloud-*\" ", "") + node_input(desired.uplink);
  out += R"(  chain segments {
    type filter hook forward priority mangle; policy accept;
    iifname "mcloud-*" tcp flags syn tcp option maxseg size set rt mtu
    oifname "mcloud-*" tcp flags syn tcp option maxseg size set rt mtu
  }
)" + node_forward(desired.uplink, allowed_rules(desired, transits));
  // wireguard-go answers through the interface by which it heard last and stays with it when the way has changed. A packet
  // whose mark changes here is routed anew, as the kernel's own would be. Ports of the mesh, of relays, of dedicated networks.
  out += R"(  chain ways {
    type route hook output priority mangle; policy accept;
    udp sport 51820-51899 meta mark set 0x6d63
  }
)";
  std::string spared = std::string("    ip daddr ") + kResolverAddress + " accept\n    ip6 daddr " + kResolverAddress6 +
                       " accept\n";
  out += "  chain publish {\n    type nat hook prerouting priority dstnat; policy accept;\n" + spared;
  if (!desired.uplink.empty()) out += to_publications("iifname \"" + desired.uplink + "\"");
  out += to_publications("iifname \"mcloud-*\"");
  out += "  }\n  chain publish_here {\n    type nat hook output priority -100; policy accept;\n";
  out += spared + "    ip daddr 127.0.0.0/8 accept\n    ip6 daddr ::1 accept\n" + to_publications("");
  out += "  }\n  chain leave {\n    type nat hook postrouting priority srcnat; policy accept;\n";
  std::string from = "198.19.0.0/16", from6 = "fd6d:6300:7472::/112";
  std::vector<std::string> outs = {"mcloud-*"};
  if (!desired.uplink.empty()) outs.push_back(desired.uplink);
  for (const std::string& interface : outs) {
    out += "    ip saddr " + from + " oifname \"" + interface + "\" masquerade\n";
    out += "    ip6 saddr " + from6 + " oifname \"" + interface + "\" masquerade\n";
  }
  // No route leads out of a portal: it sees the node alone.
  out += "    oifname \"mcloud-p*\" ct status dnat masquerade\n";
  return finish_leading_rules("mcloud node", out + "  }\n", "", std::move(led));
}

Rules mesh_rules() {
  std::string out = set_of(std::string("set ") + kSources, "typeof ip saddr . @th,96,24", "");
  out += "  chain input {\n    type filter hook input priority filter; policy drop;\n    iifname \"lo\" accept\n"
         "    udp dport " + std::to_string(kMeshVxlanPort) + " ip saddr . @th,96,24 @sources accept\n"
         "    icmp type { echo-request, echo-reply, destination-unreachable, time-exceeded } accept\n"
         "    counter drop comment \"no peer\"\n  }\n"
         "  chain forward {\n    type filter hook forward priority filter; policy drop;\n"
         "    counter drop comment \"not for us\"\n  }\n";
  return finish_rules("mcloud mesh", out, "");
}

}  // namespace mcloud::network
