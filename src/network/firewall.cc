#include "network/firewall.h"

#include <set>

#include "network/nft.h"

namespace mcloud::network {
namespace {

// FNV-1a: notices a change, nobody attacks it.
std::string revision_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  Bytes bytes;
  append_u64_be(bytes, hash);
  return "revision_" + to_hex(bytes);
}

Rules finish(const std::string& inet_chains, const std::string& other_tables) {
  Rules rules;
  rules.removal = nft_remove_table("inet", kTable);
  rules.revision = revision_of(inet_chains + other_tables);
  rules.text = std::string("table inet ") + kTable + " {\n  chain " + rules.revision + " { }\n" + inet_chains + "}\n" +
               other_tables;
  return rules;
}

template <typename Items, typename Text>
std::string join(const Items& items, Text text) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + text(item);
  return out;
}

std::string set_of(const std::string& name, const std::string& type, const std::string& elements) {
  return "  " + name + " {\n    " + type + "\n" + (elements.empty() ? "" : "    elements = { " + elements + " }\n") +
         "  }\n";
}

std::string protocol_name(Publication::Protocol protocol) {
  return protocol == Publication::Protocol::Tcp ? "tcp" : "udp";
}

std::string target_text(const Publication::Target& target, const char* separator) {
  return target.address.text() + separator + std::to_string(target.port);
}

// New connections go to the targets in turn.
std::string destination(const std::vector<Publication::Target>& targets) {
  if (targets.size() == 1) return target_text(targets[0], ":");
  std::string map;
  for (size_t i = 0; i < targets.size(); ++i) {
    map += (i == 0 ? "" : ", ") + std::to_string(i) + " : " + target_text(targets[i], " . ");
  }
  return "numgen inc mod " + std::to_string(targets.size()) + " map { " + map + " }";
}

std::string publication_maps(const DesiredNetworks& desired, const std::map<uint32_t, uint32_t>& transits) {
  std::map<std::string, std::map<uint16_t, Ipv4>> ports;
  for (const Publication& publication : desired.publications) {
    auto transit = transits.find(publication.vni);
    if (transit == transits.end() || publication.targets.empty()) continue;
    ports[protocol_name(publication.protocol)].emplace(publication.port, transit_network_address(transit->second));
  }
  std::string out;
  for (const char* protocol : {"tcp", "udp"}) {
    out += set_of(std::string("map ") + protocol + "_publications", "type inet_service : ipv4_addr",
                  join(ports[protocol],
                       [](const auto& entry) { return std::to_string(entry.first) + " : " + entry.second.text(); }));
  }
  return out;
}

constexpr const char* kToPublications = R"(    %  fib daddr type local dnat ip to tcp dport map @tcp_publications
    %  fib daddr type local dnat ip to udp dport map @udp_publications
)";

std::string to_publications(const std::string& condition) {
  std::string out = kToPublications;
  for (size_t at; (at = out.find('%')) != std::string::npos;) out.replace(at, 1, condition);
  return out;
}

}  // namespace

std::string transit_interface(uint32_t vni) { return "mcloud-" + std::to_string(vni); }
Ipv4 transit_node_address(uint32_t transit) { return Ipv4{0xC6130000 + 2 * transit}; }
Ipv4 transit_network_address(uint32_t transit) { return Ipv4{0xC6130001 + 2 * transit}; }

std::string port_name(Ipv4 member) {
  Bytes bytes;
  append_u32_be(bytes, member.value);
  return "m" + to_hex(bytes);
}

Rules node_rules(const DesiredNetworks& desired, const std::map<uint32_t, uint32_t>& transits) {
  std::set<Ipv4> peers;
  for (const Network& network : desired.networks) {
    for (const RemoteMember& remote : network.remotes) peers.insert(remote.node);
  }
  std::string out;
  out += set_of("set peers", "type ipv4_addr", join(peers, [](Ipv4 peer) { return peer.text(); }));
  out += set_of("set forbidden", "type ipv4_addr; flags interval; auto-merge",
                join(desired.forbidden, [](const Range& range) { return range.text(); }));
  out += publication_maps(desired, transits);
  out += R"(  chain input {
    type filter hook input priority filter; policy accept;
    udp dport 4789 ip saddr != @peers drop
    iifname "mcloud-*" ct state established,related accept
    iifname "mcloud-*" drop
  }
  chain segments {
    type filter hook forward priority mangle; policy accept;
    iifname "mcloud-*" tcp flags syn tcp option maxseg size set rt mtu
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname "mcloud-*" ct original ip daddr @forbidden drop
    oifname "mcloud-*" ct status dnat accept
    oifname "mcloud-*" drop
)";
  if (!desired.uplink.empty()) out += "    iifname \"mcloud-*\" oifname \"" + desired.uplink + "\" accept\n";
  out += "    iifname \"mcloud-*\" drop\n  }\n";
  out += "  chain publish {\n    type nat hook prerouting priority dstnat; policy accept;\n";
  if (!desired.uplink.empty()) out += to_publications("iifname \"" + desired.uplink + "\"");
  out += to_publications("iifname \"mcloud-*\"");
  out += "  }\n  chain publish_here {\n    type nat hook output priority -100; policy accept;\n";
  out += to_publications("ip daddr != 127.0.0.0/8");
  out += "  }\n  chain leave {\n    type nat hook postrouting priority srcnat; policy accept;\n";
  if (!desired.uplink.empty()) out += "    ip saddr 198.19.0.0/16 oifname \"" + desired.uplink + "\" masquerade\n";
  out += "    ip saddr 198.19.0.0/16 oifname \"mcloud-*\" masquerade\n  }\n";
  return finish(out, "");
}

Rules network_rules(const Network& network, const std::vector<Publication>& publications) {
  std::string gateway = network.range.gateway().text();
  std::string out = "  chain publish {\n    type nat hook prerouting priority dstnat; policy accept;\n";
  for (const Publication& publication : publications) {
    if (publication.vni != network.vni || publication.targets.empty()) continue;
    out += "    iifname \"up0\" " + protocol_name(publication.protocol) + " dport " + std::to_string(publication.port) +
           " dnat ip to " + destination(publication.targets) + "\n";
  }
  out += "  }\n  chain leave {\n    type nat hook postrouting priority srcnat; policy accept;\n    ip saddr " +
         network.range.text() + " oifname \"up0\" masquerade\n  }\n";
  out += R"(  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    iifname "br0" icmp type echo-request accept
  }
  chain segments {
    type filter hook forward priority mangle; policy accept;
    tcp flags syn tcp option maxseg size set rt mtu
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "br0" oifname { "br0", "up0" } accept
    iifname "up0" ct status dnat accept
  }
)";
  // A member speaks only as itself; the gateway is each node's own and not spoken of between nodes.
  std::string bridge = std::string("table bridge ") + kTable + " {\n";
  bridge += set_of(
      "set members", "type ifname . ether_addr . ipv4_addr", join(network.members, [](const Member& member) {
        return "\"" + port_name(member.address) + "\" . " + mac_of(member.address) + " . " + member.address.text();
      }));
  bridge += R"(  chain arrival {
    type filter hook prerouting priority -300; policy accept;
    iifname "vx0" ether saddr )" +
            mac_of(network.range.gateway()) + R"( drop
    iifname "vx0" ether type arp arp saddr ip )" +
            gateway + R"( drop
    iifname "vx0" ether type arp arp daddr ip )" +
            gateway + R"( drop
    iifname != "m*" accept
    ether type ip iifname . ether saddr . ip saddr @members accept
    ether type arp iifname . ether saddr . arp saddr ip @members accept
    drop
  }
  chain leave {
    type filter hook postrouting priority 300; policy accept;
    oifname "vx0" ether type arp arp saddr ip )" +
            gateway + R"( drop
    oifname "vx0" ether type arp arp daddr ip )" +
            gateway + R"( drop
  }
}
)";
  Rules rules = finish(out, bridge);
  rules.removal += nft_remove_table("bridge", kTable);
  return rules;
}

}  // namespace mcloud::network
