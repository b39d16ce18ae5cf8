// The rules of a network's own namespace: who may speak as whom on its bridge, and what leads in and out.
#include "network/firewall.h"
#include "network/nft.h"
#include "network/planted.h"
#include "network/resolver.h"
#include "network/rules_text.h"
#include "network/sift.h"

namespace mcloud::network {
namespace {

std::string hex_of(const Ipv6& address) {
  Bytes bytes(reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size());
  return "0x" + to_hex(bytes);
}

// A link-layer address as an option of neighbour discovery (RFC 4861 4.6.1): type, length 1, MAC.
std::string option_of(int type, const std::string& mac) {
  std::string out = "0x0" + std::to_string(type) + "01";
  for (char c : mac) {
    if (c != ':') out += c;
  }
  return out;
}

// What a member speaks as: its own address, and those of the devices behind it.
std::vector<Ipv4> voices(const Network& network, const Member& member) {
  std::vector<Ipv4> out = {member.address};
  const Member* portal = access_portal(network);
  if (portal == nullptr || portal->address != member.address) return out;
  for (const Device& device : network.access->devices) out.push_back(device.address);
  return out;
}

std::string speaker(const Member& member) { return "\"" + port_name(member.address) + "\" . " + mac_of(member.address); }

std::string speakers(const Network& network) {
  std::vector<std::string> ipv4, arp;
  for (const Member& member : network.members) {
    for (Ipv4 voice : voices(network, member)) {
      ipv4.push_back(speaker(member) + " . " + voice.text());
      arp.push_back(speaker(member) + " . " + mac_of(member.address) + " . " + voice.text());
    }
  }
  auto same = [](const std::string& text) { return text; };
  return set_of("set members", "type ifname . ether_addr . ipv4_addr", join(ipv4, same)) +
         set_of("set arps", "type ifname . ether_addr . ether_addr . ipv4_addr", join(arp, same));
}

std::string speakers6(const Network& network) {
  std::vector<std::string> ipv6, targets, options;
  auto range = Range6::parse(network.range6);
  if (!range.has_value()) return "";
  for (const Member& member : network.members) {
    std::vector<Ipv6> own = {link_local_of(member.address)};
    for (Ipv4 voice : voices(network, member)) own.push_back(range->address_of(voice));
    for (const Ipv6& address : own) {
      ipv6.push_back(speaker(member) + " . " + address.text());
      targets.push_back(speaker(member) + " . " + hex_of(address));
    }
    for (int type : {1, 2}) options.push_back(speaker(member) + " . " + option_of(type, mac_of(member.address)));
  }
  auto same = [](const std::string& text) { return text; };
  return set_of("set members6", "type ifname . ether_addr . ipv6_addr", join(ipv6, same)) +
         set_of("set targets6", "typeof iifname . ether saddr . @th,64,128", join(targets, same)) +
         set_of("set options6", "typeof iifname . ether saddr . @th,192,64", join(options, same));
}

constexpr const char* kSpeak4 = R"(  chain speak4 {
    iifname . ether saddr . ip saddr != @members counter drop comment "spoofed"
    udp sport 67 udp dport 68 counter drop comment "router"
    icmp type redirect counter drop comment "router"
    accept
  }
  chain speak_arp {
    iifname . ether saddr . arp saddr ether . arp saddr ip @arps accept
    counter drop comment "spoofed"
  }
)";

// Neighbour discovery is heard in the one form that kernels use, so that nothing can hide in another. Routers
// there are none.
constexpr const char* kSpeak6 = R"(  chain speak6 {
    iifname . ether saddr . ip6 saddr @members6 meta l4proto tcp accept
    icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, nd-router-solicit } drop
    icmpv6 type { nd-router-advert, nd-redirect } counter drop comment "router"
    udp sport 547 udp dport 546 counter drop comment "router"
    iifname . ether saddr . ip6 saddr != @members6 counter drop comment "spoofed"
    icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @targets6 counter drop comment "spoofed"
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } iifname . ether saddr . @th,192,64 != @options6 counter drop comment "spoofed"
    accept
  }
)";

std::string gateway_targets(const Network& network, const Range6& range) {
  Ipv4 gateway = network.range.gateway();
  return "@th,64,128 { " + hex_of(range.address_of(gateway)) + ", " + hex_of(link_local_of(gateway)) + " }";
}

// The gateway is each node's own and not spoken of between nodes. On a physical network anybody may speak, but not as
// a member that is here.
std::string from_elsewhere(const Network& network) {
  std::string gateway = network.range.gateway().text();
  std::string out = "  chain elsewhere {\n    ether saddr " + mac_of(network.range.gateway()) + " drop\n";
  if (!network.bridge.empty() && !network.members.empty()) {
    out += "    ether saddr { " + join(network.members, [](const Member& member) { return mac_of(member.address); }) +
           " } counter drop comment \"spoofed\"\n";
  }
  out += "    ether type ip accept\n    arp saddr ip " + gateway + " drop\n    arp daddr ip " + gateway + " drop\n";
  auto range = Range6::parse(network.range6);
  if (!range.has_value()) return out + "    ether type ip6 drop\n  }\n";
  return out + "    icmpv6 type { nd-router-advert, nd-redirect, nd-router-solicit } drop\n" +
         "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } " + gateway_targets(network, *range) +
         " drop\n  }\n";
}

std::string to_elsewhere(const Network& network) {
  std::string out = "  chain leave {\n    type filter hook postrouting priority 300; policy accept;\n"
                    "    oifname != \"vx0\" accept\n    ether saddr " + mac_of(network.range.gateway()) +
                    " drop\n    ether type ip accept\n    arp daddr ip " + network.range.gateway().text() + " drop\n";
  auto range = Range6::parse(network.range6);
  if (range.has_value()) out += "    icmpv6 type nd-neighbor-solicit " + gateway_targets(network, *range) + " drop\n";
  return out + "  }\n";
}

// A member speaks only as itself.
std::string bridge_table(const Network& network) {
  std::string out = std::string("table bridge ") + kTable + " {\n  comment \"" + network.contract.hex() + "\"\n";
  out += speakers(network) + speakers6(network) + from_elsewhere(network) + kSpeak4;
  if (!network.range6.empty()) out += kSpeak6;
  out += R"(  chain arrival {
    type filter hook prerouting priority -300; policy accept;
    iifname "vx0" goto elsewhere
    iifname != "m*" accept
    ether type arp goto speak_arp
)";
  out += std::string("    ether type ip ") + (planted::kAnyVoice ? "accept" : "goto speak4") + "\n";
  if (!network.range6.empty()) out += "    ether type ip6 goto speak6\n";
  return out + "    counter drop comment \"spoofed\"\n  }\n" + to_elsewhere(network) + "}\n";
}

struct Entrance {
  std::string protocol;
  uint16_t port = 0;
  std::vector<Publication::Target> targets;
};

// Publications without a portal and local ways.
std::vector<Entrance> entrances(const Network& network, const std::vector<Publication>& publications) {
  std::vector<Entrance> out;
  for (const Publication& publication : publications) {
    if (publication.vni != network.vni || !publication.portal.empty() || publication.targets.empty()) continue;
    bool is_tcp = publication.protocol == Publication::Protocol::Tcp;
    out.push_back({is_tcp ? "tcp" : "udp", publication.port, publication.targets});
  }
  for (const Way& way : network.ways) {
    if (way.portal.empty()) out.push_back({way.protocol, way.port, {{way.address, way.target_port}}});
  }
  return out;
}

std::string nat_chains(const Network& network, const std::vector<Publication>& publications, std::set<Led>& led) {
  std::string gateway = network.range.gateway().text();
  std::string gateway6 = address6_of(network.range6, network.range.gateway());
  std::string out = "  chain publish {\n    type nat hook prerouting priority dstnat; policy accept;\n";
  for (const Entrance& entrance : entrances(network, publications)) {
    std::string from = "    iifname \"up0\" " + entrance.protocol + " dport " + std::to_string(entrance.port) + " dnat ";
    lead(entrance.protocol, entrance.port, entrance.targets, network.range6, led);
    out += from + "ip to " + destination(entrance.targets) + "\n";
    if (!gateway6.empty()) out += from + "ip6 to " + destination6(entrance.targets, network.range6) + "\n";
  }
  for (const char* resolver : {kResolverAddress, kResolverAddress6}) led.insert({53, resolver, 53});
  for (const char* protocol : {"udp", "tcp"}) {
    std::string dns = std::string(protocol) + " dport 53 dnat ";
    out += "    iifname \"br0\" ip daddr " + gateway + " " + dns + "ip to " + kResolverAddress + "\n";
    if (!gateway6.empty()) out += "    iifname \"br0\" ip6 daddr " + gateway6 + " " + dns + "ip6 to " + kResolverAddress6 + "\n";
  }
  out += "  }\n  chain leave {\n    type nat hook postrouting priority srcnat; policy accept;\n    ip saddr " +
         network.range.text() + " oifname \"up0\" masquerade\n";
  if (!gateway6.empty()) out += "    ip6 saddr " + network.range6 + " oifname \"up0\" masquerade\n";
  return out + "  }\n";
}

std::string filter_chains(const Network& network) {
  std::string gateway = network.range.gateway().text();
  std::string gateway6 = address6_of(network.range6, network.range.gateway());
  std::string out = R"(  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
)";
  if (network.underlay == Underlay::Dedicated) {
    out += "    iifname \"mwgd*\" udp dport " + std::to_string(kMeshVxlanPort) +
           " ip saddr . @th,96,24 @sources accept\n    iifname \"mwgd*\" icmp type { echo-request, echo-reply } accept\n"
           "    iifname \"mwgd*\" counter drop comment \"no peer\"\n";
  }
  out += "    ct state established,related accept\n    iifname \"br0\" ip daddr " + gateway +
         " icmp type echo-request accept\n";
  if (!gateway6.empty()) {
    out += "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n    iifname \"br0\" ip6 daddr " + gateway6 +
           " icmpv6 type echo-request accept\n    icmpv6 type { mld-listener-query, mld2-listener-report } drop\n";
  }
  out += "    counter drop comment \"to the gateway\"\n  }\n" + clamp_chain("");
  return out + R"(  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "br0" oifname { "br0", "up0" } accept
    iifname "up0" ct status dnat accept
    counter drop comment "not published"
  }
)";
}

std::string dedicated_sources(const Network& network) {
  if (network.underlay != Underlay::Dedicated) return "";
  std::vector<VxlanSource> sources;
  add_sources(network, sources);
  return set_of(std::string("set ") + kSources, "typeof ip saddr . @th,96,24",
                source_elements({sources.begin(), sources.end()})) +
         untracked_chains(kMeshVxlanPort, "iifname \"mwgd*\" ", "oifname \"mwgd*\" ");
}

}  // namespace

Rules network_rules(const Network& network, const std::vector<Publication>& publications) {
  std::set<Led> led;
  std::string chains = dedicated_sources(network) + nat_chains(network, publications, led) + filter_chains(network);
  Rules rules = finish_leading_rules(network.contract.hex() + " " + network.name, chains, bridge_table(network), std::move(led));
  rules.removal += nft_remove_table("bridge", kTable);
  return rules;
}

}  // namespace mcloud::network
