#include "network/spaces.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "network/firewall.h"
#include "network/netns.h"

namespace mcloud::network {
namespace {

constexpr Ipv4 kLoopback{0x7F000001};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(':', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::optional<uint32_t> number(const std::string& text) {
  uint32_t value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

// The address a MAC of ours was made of.
std::optional<Ipv4> address_of(const std::string& mac) {
  if (!mac.starts_with("02:6d:")) return std::nullopt;
  uint32_t value = 0;
  for (size_t at = 6; at + 1 < mac.size(); at += 3) {
    auto byte = from_hex(std::string_view(mac).substr(at, 2));
    if (!byte.has_value()) return std::nullopt;
    value = value << 8 | static_cast<unsigned char>((*byte)[0]);
  }
  return Ipv4{value};
}

Status set_loopback_up(Links& links) {
  Link loopback = TRY(links.get("lo"));
  return links.set_up(loopback.index);
}

Status build_inside(const NetworkShape& shape) {
  TRY(set_net_sysctl("ipv6/conf/all/disable_ipv6", "1"));
  TRY(set_net_sysctl("ipv6/conf/default/disable_ipv6", "1"));
  TRY(set_net_sysctl("ipv4/ip_forward", "1"));
  Links links = TRY(Links::open());
  TRY(set_loopback_up(links));
  TRY(links.add_bridge(kBridge, mac_of(shape.range.gateway()), shape.mtu));
  Link bridge = TRY(links.get(kBridge));
  TRY(links.add_address(bridge.index, shape.range.gateway(), shape.range.prefix));
  Link vxlan = TRY(links.get(kVxlan));
  TRY(links.set_master(vxlan.index, bridge.index));
  TRY(links.set_port(vxlan.index, {.learning = false, .unicast_flood = false}));
  TRY(links.set_up(vxlan.index));
  TRY(links.set_up(bridge.index));
  Link transit = TRY(links.get(kTransit));
  TRY(links.add_address(transit.index, transit_network_address(shape.transit), 31));
  TRY(links.set_up(transit.index));
  TRY(links.add_default_route(transit_node_address(shape.transit)));
  TRY(links.wait_operational(kTransit));
  TRY(links.wait_operational(kBridge));
  return links.set_alias(bridge.index, shape_alias(shape));
}

Status build_around(const NetworkShape& shape, const io::Fd& inside) {
  Links links = TRY(Links::open());
  TRY(links.remove(transit_interface(shape.vni)));
  TRY(links.add_veth({.name = transit_interface(shape.vni), .mtu = shape.mtu},
                     {.name = kTransit, .mtu = shape.mtu, .netns = inside.get()}));
  TRY(links.add_vxlan(
      {.name = kVxlan, .vni = shape.vni, .local = shape.backplane, .mtu = shape.mtu, .netns = inside.get()}));
  Link transit = TRY(links.get(transit_interface(shape.vni)));
  TRY(links.set_alias(transit.index, "mcloud:" + shape.contract.hex() + ":" + shape.name));
  TRY(links.add_address(transit.index, transit_node_address(shape.transit), 31));
  TRY(links.set_up(transit.index));
  {
    NetnsScope scope = TRY(NetnsScope::enter(inside));
    TRY(build_inside(shape));
  }
  return links.wait_operational(transit_interface(shape.vni));
}

}  // namespace

std::string shape_alias(const NetworkShape& shape) {
  return "mcloud:" + shape.contract.hex() + ":" + shape.name + ":" + std::to_string(shape.vni) + ":" +
         shape.range.text() + ":" + shape.backplane.text() + ":" + std::to_string(shape.mtu) + ":" +
         std::to_string(shape.transit);
}

std::optional<NetworkShape> shape_from_alias(const std::string& alias) {
  std::vector<std::string> parts = split(alias);
  if (parts.size() != 8 || parts[0] != "mcloud") return std::nullopt;
  auto contract = ContractId::from_hex(parts[1]);
  auto vni = number(parts[3]);
  auto range = Range::parse(parts[4]);
  auto backplane = Ipv4::parse(parts[5]);
  auto mtu = number(parts[6]);
  auto transit = number(parts[7]);
  if (!contract.has_value() || !vni || !range.has_value() || !backplane.has_value() || !mtu || !transit ||
      *transit >= kTransitsMax) {
    return std::nullopt;
  }
  return NetworkShape{*contract, parts[2], *vni, *range, *backplane, static_cast<int>(*mtu), *transit};
}

std::string member_alias(const Member& member) { return "mcloud:" + member.netns + ":" + member.interface; }

std::optional<Member> member_from_alias(const std::string& alias, Ipv4 address) {
  std::vector<std::string> parts = split(alias);
  if (parts.size() != 3 || parts[0] != "mcloud") return std::nullopt;
  return Member{parts[1], parts[2], address};
}

Result<io::Fd> build_network(const NetworkShape& shape) {
  io::Fd inside = TRY(create_netns());
  Status built = build_around(shape, inside);
  if (built.has_value()) return inside;
  // The kernel would tidy up later; the next try must not find the number taken.
  static_cast<void>(dismantle_network(inside, shape.vni));
  return built.error();
}

Status dismantle_network(const io::Fd& network, uint32_t vni) {
  {
    NetnsScope scope = TRY(NetnsScope::enter(network));
    Links links = TRY(Links::open());
    TRY(links.remove(kVxlan));
    std::vector<Link> all = TRY(links.list());
    for (const Link& link : all) {
      if (link.kind == "veth") TRY(links.remove(link.name));
    }
    TRY(links.remove(kBridge));
  }
  Links links = TRY(Links::open());
  return links.remove(transit_interface(vni));
}

Result<ActualNetwork> read_network(const io::Fd& network) {
  NetnsScope scope = TRY(NetnsScope::enter(network));
  ActualNetwork out;
  Links links = TRY(Links::open());
  int vxlan = 0;
  bool has_transit = false;
  for (const Link& link : TRY(links.list())) {
    if (link.name == kBridge) out.shape = shape_from_alias(link.alias);
    if (link.name == kVxlan) vxlan = link.index;
    if (link.name == kTransit) has_transit = true;
    auto value = link.name.size() == 9 && link.name[0] == 'm' ? from_hex(link.name.substr(1)) : Result<Bytes>(Bytes());
    if (!value.has_value() || value->size() != 4) continue;
    Ipv4 address;
    for (unsigned char byte : *value) address.value = address.value << 8 | byte;
    auto member = member_from_alias(link.alias, address);
    if (member.has_value()) {
      out.members.insert(*member);
    } else {
      out.leftovers.insert(address);
    }
  }
  if (vxlan == 0 || !has_transit) out.shape.reset();
  if (!out.shape.has_value()) return out;
  out.firewall = TRY(firewall_revision());
  std::vector<ForwardingEntry> entries = TRY(links.forwarding(vxlan));
  for (const ForwardingEntry& entry : entries) {
    if (entry.node.is_none()) continue;
    if (entry.mac == kEveryMac) out.peers.insert(entry.node);
    bool in_bridge = std::any_of(entries.begin(), entries.end(), [&](const ForwardingEntry& other) {
      return other.is_bridge && other.mac == entry.mac;
    });
    auto address = address_of(entry.mac);
    if (address.has_value() && in_bridge) out.remotes[*address] = entry.node;
  }
  return out;
}

Result<io::Fd> build_container_netns() {
  io::Fd netns = TRY(create_netns());
  NetnsScope scope = TRY(NetnsScope::enter(netns));
  // As Docker has it: ::1 stays. A container's root owns no network namespace, so ports below 1024 and ping are opened.
  TRY(set_net_sysctl("ipv6/conf/default/disable_ipv6", "1"));
  TRY(set_net_sysctl("ipv4/ip_unprivileged_port_start", "0"));
  TRY(set_net_sysctl("ipv4/ping_group_range", "0 2147483647"));
  Links links = TRY(Links::open());
  Link loopback = TRY(links.get("lo"));
  TRY(links.add_address(loopback.index, kLoopback, 8));
  TRY(links.set_up(loopback.index));
  return netns;
}

Status attach_member(const io::Fd& network, const io::Fd& container, const AttachMember& step) {
  std::string port_text = port_name(step.member.address);
  std::string mac = mac_of(step.member.address);
  NetnsScope in_network = TRY(NetnsScope::enter(network));
  Links links = TRY(Links::open());
  TRY(links.remove(port_text));
  {
    NetnsScope in_container = TRY(NetnsScope::enter(container));
    Links inside = TRY(Links::open());
    TRY(inside.remove(step.member.interface));
  }
  TRY(links.add_veth({.name = port_text, .mtu = step.mtu},
                     {.name = step.member.interface, .mac = mac, .mtu = step.mtu, .netns = container.get()}));
  Link port = TRY(links.get(port_text));
  Link bridge = TRY(links.get(kBridge));
  TRY(links.set_master(port.index, bridge.index));
  TRY(links.set_port(port.index, {.learning = false, .unicast_flood = false}));
  TRY(links.add_forwarding({.mac = mac, .link = port.index, .is_bridge = true}));
  TRY(links.set_up(port.index));
  {
    NetnsScope in_container = TRY(NetnsScope::enter(container));
    Links inside = TRY(Links::open());
    Link own = TRY(inside.get(step.member.interface));
    TRY(inside.add_address(own.index, step.member.address, step.range.prefix));
    TRY(inside.set_up(own.index));
    if (step.member.interface == "eth0") TRY(inside.add_default_route(step.range.gateway()));
    TRY(inside.wait_operational(step.member.interface));
  }
  TRY(links.wait_operational(port_text));
  return links.set_alias(port.index, member_alias(step.member));
}

Status detach_member(const io::Fd& network, Ipv4 address) {
  NetnsScope scope = TRY(NetnsScope::enter(network));
  Links links = TRY(Links::open());
  return links.remove(port_name(address));
}

Status set_peer(const io::Fd& network, Ipv4 node) {
  NetnsScope scope = TRY(NetnsScope::enter(network));
  Links links = TRY(Links::open());
  Link vxlan = TRY(links.get(kVxlan));
  return links.add_forwarding({.mac = kEveryMac, .link = vxlan.index, .node = node});
}

Status remove_peer(const io::Fd& network, Ipv4 node) {
  NetnsScope scope = TRY(NetnsScope::enter(network));
  Links links = TRY(Links::open());
  Link vxlan = TRY(links.get(kVxlan));
  return links.remove_forwarding({.mac = kEveryMac, .link = vxlan.index, .node = node});
}

Status set_remote(const io::Fd& network, const RemoteMember& remote) {
  NetnsScope scope = TRY(NetnsScope::enter(network));
  Links links = TRY(Links::open());
  Link vxlan = TRY(links.get(kVxlan));
  std::string mac = mac_of(remote.address);
  TRY(links.add_forwarding({.mac = mac, .link = vxlan.index, .node = remote.node}));
  return links.add_forwarding({.mac = mac, .link = vxlan.index, .is_bridge = true});
}

Status remove_remote(const io::Fd& network, Ipv4 address) {
  NetnsScope scope = TRY(NetnsScope::enter(network));
  Links links = TRY(Links::open());
  Link vxlan = TRY(links.get(kVxlan));
  // A local member may have taken the MAC over: then the bridge's entry is its port's.
  TRY(links.remove_forwarding({.mac = mac_of(address), .link = vxlan.index, .is_bridge = true}));
  return links.remove_forwarding({.mac = mac_of(address), .link = vxlan.index});
}

Result<std::string> firewall_revision() {
  NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_NETFILTER));
  NetlinkMessage message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP);
  nfgenmsg family{};
  family.nfgen_family = NFPROTO_INET;
  family.version = NFNETLINK_V0;
  message.append(family);
  for (const NetlinkReply& reply : TRY(socket.ask(std::move(message)))) {
    NetlinkAttributes attributes = reply.attributes<nfgenmsg>();
    std::string name = attributes.text(NFTA_CHAIN_NAME);
    if (attributes.text(NFTA_CHAIN_TABLE) == kTable && name.starts_with("revision_")) return name;
  }
  return std::string();
}

}  // namespace mcloud::network
