#include "network/mesh_namespace.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "crypto/hash.h"
#include "network/links.h"
#include "network/mesh.h"
#include "network/netlink.h"
#include "network/netns.h"
#include "network/nft.h"

namespace mcloud::network {
namespace {

constexpr const char* kMeshTableName = "mcloud_mesh";
constexpr const char* kRelayTableName = "mcloud_relay";

// Before the rules of networks (spaces.h), which stand at priority filter.
constexpr const char* kMeshRules = R"(
  counter dropped { }
  chain input {
    type filter hook input priority filter - 10; policy drop;
    iifname "lo" accept
    iifname "mwg*" udp dport 4789 accept
    iifname "mwg*" icmp type { echo-request, echo-reply, destination-unreachable } accept
    counter name dropped
  }
  chain forward {
    type filter hook forward priority filter - 10; policy drop;
    counter name dropped
  }
  chain output {
    type filter hook output priority filter - 10; policy drop;
    oifname "lo" accept
    oifname "mwg*" udp dport 4789 accept
    oifname "mwg*" icmp type { echo-request, echo-reply, destination-unreachable } accept
    counter name dropped
  }
)";

std::string revision_of(const std::string& rules) { return "revision_" + crypto::blake2b(rules).hex().substr(0, 16); }

// A chain of that name says that the rules it is named after are in force in the calling thread's namespace.
Result<bool> has_chain(const std::string& table, const std::string& chain) {
  NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_NETFILTER));
  NetlinkMessage message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_ACK);
  nfgenmsg family{};
  family.nfgen_family = NFPROTO_INET;
  family.version = NFNETLINK_V0;
  message.append(family);
  message.put_text(NFTA_CHAIN_TABLE, table);
  message.put_text(NFTA_CHAIN_NAME, chain);
  Status asked = socket.request(std::move(message));
  if (asked.has_value()) return true;
  if (asked.error().code == Code::NotFound) return false;
  return asked.error();
}

Status ensure_table(const std::string& table, const std::string& rules) {
  std::string revision = revision_of(rules);
  if (TRY(has_chain(table, revision))) return {};
  return run_nft(nft_remove_table("inet", table) + "table inet " + table + " {\n  chain " + revision + " { }\n" + rules +
                 "}\n");
}

Status set_up_mesh() {
  // Two devices of ours may both lead to a peer while a key changes: answers need not come the way we would go.
  for (const char* name : {"all", "default"}) {
    std::string folder = std::string("ipv4/conf/") + name + "/";
    TRY(set_net_sysctl(folder + "rp_filter", "0"));
    TRY(set_net_sysctl(folder + "accept_redirects", "0"));
    TRY(set_net_sysctl(folder + "accept_source_route", "0"));
    TRY(set_net_sysctl(std::string("ipv6/conf/") + name + "/disable_ipv6", "1"));
  }
  TRY(set_net_sysctl("ipv4/ip_forward", "0"));
  TRY(set_net_sysctl("ipv4/ping_group_range", "0 2147483647"));
  Links links = TRY(Links::open());
  Link loopback = TRY(links.get("lo"));
  TRY(links.set_up(loopback.index));
  return ensure_table(kMeshTableName, kMeshRules);
}

std::string relay_text(const RelayRules& rules) {
  std::string device = std::string("\"") + kRelayDevice + "\"";
  std::string ports;
  for (uint16_t port : rules.ports) ports += (ports.empty() ? "" : ", ") + std::to_string(port);
  std::string out = "  counter forwarded { }\n  counter taken { }\n  counter dropped { }\n";
  out += "  chain input {\n    type filter hook input priority filter - 10; policy accept;\n    iifname != " + device +
         " accept\n";
  if (!ports.empty()) out += "    udp dport { " + ports + " } counter name taken accept\n";
  out +=
      "    icmp type { echo-request, echo-reply, destination-unreachable } accept\n    counter name dropped drop\n  }\n";
  out += "  chain forward {\n    type filter hook forward priority filter - 10; policy accept;\n    iifname != " + device +
         " oifname != " + device + " accept\n";
  if (rules.is_relay) {
    std::string between = "    iifname " + device + " oifname " + device + " ";
    out += between + "ip protocol udp counter name forwarded accept\n";
    out += between + "icmp type destination-unreachable accept\n";
  }
  out += "    counter name dropped drop\n  }\n";
  // The kernel's advice to users of a relay to go the direct way, among other things.
  return out + "  chain output {\n    type filter hook output priority filter - 10; policy accept;\n    oifname != " + device +
         " accept\n    ip protocol udp accept\n"
         "    icmp type { echo-request, echo-reply, destination-unreachable } accept\n    counter name dropped drop\n  }\n";
}

}  // namespace

Status ensure_mesh_namespace(const std::string& netns_folder) {
  std::string path = netns_folder + "/" + kMeshNetns;
  auto there = open_netns(path);
  if (there.has_value()) {
    NetnsScope scope = TRY(NetnsScope::enter(*there));
    return set_up_mesh();
  }
  TRY(unpin_netns(path));
  io::Fd made = TRY(create_netns());
  {
    NetnsScope scope = TRY(NetnsScope::enter(made));
    TRY(set_up_mesh());
  }
  return pin_netns(made, path);
}

Status remove_mesh_namespace(const std::string& netns_folder) {
  return unpin_netns(netns_folder + "/" + kMeshNetns);
}

Status ensure_relay_rules(const RelayRules& rules) {
  TRY(ensure_table(kRelayTableName, relay_text(rules)));
  if (rules.is_relay) TRY(set_net_sysctl("ipv4/ip_forward", "1"));
  return {};
}

Status remove_relay_rules() {
  if (!TRY(has_chain(kRelayTableName, "input"))) return {};
  return run_nft(nft_remove_table("inet", kRelayTableName));
}

}  // namespace mcloud::network
