#include "network/spaces.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "network/aliases.h"
#include "network/firewall.h"
#include "network/netns.h"
#include "network/rules_read.h"

namespace mcloud::network {
namespace {

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

// The member whose port this is.
std::optional<Ipv4> address_of_port(const std::string& name) {
  auto value = name.size() == 9 && name[0] == 'm' ? from_hex(name.substr(1)) : Result<Bytes>(Bytes());
  if (!value.has_value() || value->size() != 4) return std::nullopt;
  Ipv4 address;
  for (unsigned char byte : *value) address.value = address.value << 8 | byte;
  return address;
}

Status set_loopback_up(Links& links) {
  Link loopback = TRY(links.get("lo"));
  return links.set_up(loopback.index);
}

// Where br_netfilter is loaded (Docker does) it leads what crosses a bridge through the rules of IP as well. Ours for it
// stand in table bridge; conntrack of every packet there would cost a tenth of the throughput.
Status keep_bridge_apart() {
  for (const char* name : {"bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"}) {
    std::string sysctl = std::string("bridge/") + name;
    if (io::exists("/proc/sys/net/" + sysctl)) TRY(set_net_sysctl(sysctl, "0"));
  }
  return {};
}

// Before there is any link: what links get when they come. Ports of the bridge have no addresses of their own.
Status prepare_inside(const NetworkShape& shape) {
  TRY(set_net_sysctl("ipv6/conf/all/disable_ipv6", "1"));
  TRY(set_net_sysctl("ipv6/conf/default/disable_ipv6", "1"));
  TRY(set_net_sysctl("ipv4/ip_forward", "1"));
  TRY(set_net_sysctl("ipv4/conf/all/accept_redirects", "0"));
  TRY(set_net_sysctl("ipv4/conf/all/send_redirects", "0"));
  TRY(set_net_sysctl("ipv4/conf/default/send_redirects", "0"));
  TRY(keep_bridge_apart());
  if (shape.range6.empty()) return {};
  TRY(set_net_sysctl("ipv6/conf/default/accept_dad", "0"));
  return set_net_sysctl("ipv6/conf/all/forwarding", "1");
}

Status give_gateway_address(Links& links, const Link& bridge, const NetworkShape& shape) {
  TRY(links.add_address(bridge.index, shape.range.gateway(), shape.range.prefix));
  auto range6 = Range6::parse(shape.range6);
  if (!range6.has_value()) return {};
  TRY(set_net_sysctl("ipv6/conf/br0/disable_ipv6", "0"));
  return links.add_address6(bridge.index, range6->address_of(shape.range.gateway()), 64);
}

// The network's end of its transit link.
Status lead_out(Links& links, const NetworkShape& shape) {
  Link transit = TRY(links.get(kTransit));
  TRY(links.set_alias(transit.index, owner_alias(shape.contract)));
  TRY(links.add_address(transit.index, transit_network_address(shape.transit), 31));
  if (!shape.range6.empty()) {
    TRY(set_net_sysctl("ipv6/conf/up0/disable_ipv6", "0"));
    TRY(links.add_address6(transit.index, transit_network_address6(shape.transit), 127));
  }
  TRY(links.set_up(transit.index));
  TRY(links.add_default_route(transit_node_address(shape.transit)));
  if (!shape.range6.empty()) TRY(links.add_default_route6(transit_node_address6(shape.transit)));
  TRY(links.wait_operational(kTransit));
  return shape.range6.empty() ? Status() : links.wait_address6(transit_network_address6(shape.transit));
}

Status add_vxlan_from(const io::Fd& home, const NetworkShape& shape, const io::Fd& inside) {
  NetnsScope scope = TRY(NetnsScope::enter(home));
  Links links = TRY(Links::open());
  Vxlan vxlan{.name = kVxlan, .vni = shape.vni, .local = shape.backplane, .mtu = shape.mtu, .netns = inside.get()};
  vxlan.port = shape.underlay == Underlay::Plain ? kPlainPort : kMeshVxlanPort;
  return links.add_vxlan(vxlan);
}

Status take_physical(const NetworkShape& shape, const io::Fd& inside) {
  Links links = TRY(Links::open());
  Link lower = TRY(links.get(shape.bridge));
  TRY(links.set_up(lower.index));
  return links.add_passthrough({.name = kVxlan, .lower = lower.index, .mtu = shape.mtu, .netns = inside.get()});
}

// The namespace that holds the socket of a network's VXLAN device.
Result<io::Fd> socket_home(Underlay underlay, const io::Fd& inside, const Surroundings& around) {
  if (underlay == Underlay::Plain) return own_netns();
  if (underlay == Underlay::Dedicated) return io::Fd(::fcntl(inside.get(), F_DUPFD_CLOEXEC, 0));
  auto mesh = open_netns(around.mesh_path);
  if (mesh.has_value()) return mesh;
  return make_error(Code::Unavailable, "this node has no mesh for encrypted networks: " + mesh.error().message);
}

// vx0 from where its socket is to be, as a port of the bridge. Its alias comes last.
Status lead_across(const NetworkShape& shape, const io::Fd& inside, const Surroundings& around) {
  io::Fd home = TRY(socket_home(shape.underlay, inside, around));
  TRY(shape.bridge.empty() ? add_vxlan_from(home, shape, inside) : take_physical(shape, inside));
  uint64_t number = TRY(netns_number(home));
  NetnsScope scope = TRY(NetnsScope::enter(inside));
  Links links = TRY(Links::open());
  Link vxlan = TRY(links.get(kVxlan));
  Link bridge = TRY(links.get(kBridge));
  bool is_physical = !shape.bridge.empty();
  TRY(links.set_master(vxlan.index, bridge.index));
  TRY(links.set_port(vxlan.index, {.learning = is_physical, .unicast_flood = is_physical}));
  TRY(links.set_up(vxlan.index));
  return links.set_alias(vxlan.index, underlay_alias(shape.contract, number));
}

Status add_transit(const NetworkShape& shape, const io::Fd& inside) {
  Links links = TRY(Links::open());
  std::string name = transit_interface(shape.vni);
  TRY(links.remove(name));
  TRY(links.add_veth({.name = name, .mtu = shape.mtu}, {.name = kTransit, .mtu = shape.mtu, .netns = inside.get()}));
  Link transit = TRY(links.get(name));
  TRY(links.set_alias(transit.index, "mcloud:" + shape.contract.hex() + ":" + shape.name));
  TRY(links.add_address(transit.index, transit_node_address(shape.transit), 31));
  TRY(set_net_sysctl("ipv6/conf/" + name + "/accept_ra", "0"));
  TRY(set_net_sysctl("ipv6/conf/" + name + "/disable_ipv6", shape.range6.empty() ? "1" : "0"));
  if (!shape.range6.empty()) {
    TRY(links.add_address6(transit.index, transit_node_address6(shape.transit), 127));
  }
  return links.set_up(transit.index);
}

Status build_around(const NetworkShape& shape, const io::Fd& inside, const Surroundings& around) {
  {
    NetnsScope scope = TRY(NetnsScope::enter(inside));
    TRY(prepare_inside(shape));
    Links links = TRY(Links::open());
    TRY(set_loopback_up(links));
    TRY(links.add_bridge(kBridge, mac_of(shape.range.gateway()), shape.mtu));
  }
  TRY(lead_across(shape, inside, around));
  TRY(add_transit(shape, inside));
  {
    NetnsScope scope = TRY(NetnsScope::enter(inside));
    Links links = TRY(Links::open());
    Link bridge = TRY(links.get(kBridge));
    TRY(give_gateway_address(links, bridge, shape));
    TRY(links.set_up(bridge.index));
    TRY(lead_out(links, shape));
    TRY(links.wait_operational(kBridge));
    auto range6 = Range6::parse(shape.range6);
    if (range6.has_value()) TRY(links.wait_address6(range6->address_of(shape.range.gateway())));
    TRY(links.set_alias(bridge.index, shape_alias(shape)));
  }
  Links links = TRY(Links::open());
  TRY(links.wait_operational(transit_interface(shape.vni)));
  return shape.range6.empty() ? Status() : links.wait_address6(transit_node_address6(shape.transit));
}

struct Remotes {
  std::map<Ipv4, Ipv4> members;
  std::set<Ipv4> peers;
};

Result<Remotes> read_remotes(Links& links, int vxlan) {
  Remotes out;
  std::vector<ForwardingEntry> entries = TRY(links.forwarding(vxlan));
  for (const ForwardingEntry& entry : entries) {
    if (entry.node.is_none()) continue;
    if (entry.mac == kEveryMac) out.peers.insert(entry.node);
    bool in_bridge = std::any_of(entries.begin(), entries.end(), [&](const ForwardingEntry& other) {
      return other.is_bridge && other.mac == entry.mac;
    });
    auto address = address_of(entry.mac);
    if (address.has_value() && in_bridge) out.members[*address] = entry.node;
  }
  return out;
}

// Of the namespace where the socket should be.
Result<std::string> wanted_underlay(const NetworkShape& shape, const io::Fd& inside, const Surroundings& around) {
  auto home = socket_home(shape.underlay, inside, around);
  if (!home.has_value()) return std::string();
  return underlay_alias(shape.contract, TRY(netns_number(*home)));
}

}  // namespace

Result<io::Fd> build_network(const NetworkShape& shape, const Surroundings& around) {
  io::Fd inside = TRY(create_netns());
  Status built = build_around(shape, inside, around);
  if (built.has_value()) return inside;
  // The kernel would tidy up later; the next try must not find the number taken.
  static_cast<void>(dismantle_network(inside, shape.vni));
  return built.error();
}

Status repair_underlay(const io::Fd& network, const NetworkShape& shape, const Surroundings& around) {
  {
    NetnsScope scope = TRY(NetnsScope::enter(network));
    Links links = TRY(Links::open());
    TRY(links.remove(kVxlan));
  }
  return lead_across(shape, network, around);
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

Result<ActualNetwork> read_network(const io::Fd& network, const Surroundings& around) {
  std::vector<Link> all;
  {
    NetnsScope scope = TRY(NetnsScope::enter(network));
    Links links = TRY(Links::open());
    all = TRY(links.list());
  }
  ActualNetwork out;
  bool has_transit = false;
  Link vxlan;
  for (const Link& link : all) {
    if (link.name == kBridge) out.shape = shape_from_alias(link.alias);
    if (link.name == kVxlan) vxlan = link;
    if (link.name == kTransit) has_transit = true;
    auto address = address_of_port(link.name);
    if (!address.has_value()) continue;
    auto member = member_from_alias(link.alias, *address);
    if (member.has_value()) {
      out.members.insert(*member);
    } else {
      out.leftovers.insert(*address);
    }
  }
  if (!has_transit) out.shape.reset();
  if (!out.shape.has_value()) return out;
  std::string wanted = TRY(wanted_underlay(*out.shape, network, around));
  out.has_underlay = vxlan.index != 0 && !wanted.empty() && vxlan.alias == wanted;
  NetnsScope scope = TRY(NetnsScope::enter(network));
  out.firewall = TRY(firewall_revision());
  if (vxlan.index == 0) return out;
  Links links = TRY(Links::open());
  Remotes remotes = TRY(read_remotes(links, vxlan.index));
  out.remotes = std::move(remotes.members);
  out.peers = std::move(remotes.peers);
  return out;
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

}  // namespace mcloud::network
