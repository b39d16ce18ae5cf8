#include "network/members.h"

#include "network/aliases.h"
#include "network/firewall.h"
#include "network/flows.h"
#include "network/netns.h"
#include "network/nft.h"

namespace mcloud::network {
namespace {

constexpr Ipv4 kLoopback{0x7F000001};

// What nobody on the link may teach: routes, addresses.
Status distrust_neighbours() {
  for (const char* scope : {"all", "default"}) {
    std::string ipv4 = std::string("ipv4/conf/") + scope;
    std::string ipv6 = std::string("ipv6/conf/") + scope;
    TRY(set_net_sysctl(ipv4 + "/accept_redirects", "0"));
    TRY(set_net_sysctl(ipv6 + "/accept_redirects", "0"));
    TRY(set_net_sysctl(ipv6 + "/accept_ra", "0"));
    TRY(set_net_sysctl(ipv6 + "/autoconf", "0"));
    // The ledger gives addresses once only, so nobody else has it.
    TRY(set_net_sysctl(ipv6 + "/accept_dad", "0"));
  }
  return {};
}

Status give_member_addresses(Links& links, const AttachMember& step) {
  const std::string& interface = step.member.interface;
  Link own = TRY(links.get(interface));
  TRY(links.set_alias(own.index, owner_alias(step.contract)));
  TRY(links.add_address(own.index, step.member.address, step.range.prefix));
  auto range6 = Range6::parse(step.range6);
  if (range6.has_value()) {
    TRY(set_net_sysctl("ipv6/conf/" + interface + "/disable_ipv6", "0"));
    TRY(links.add_address6(own.index, range6->address_of(step.member.address), 64));
  }
  TRY(links.set_up(own.index));
  if (interface != "eth0") return {};
  TRY(links.add_default_route(step.range.gateway()));
  return range6.has_value() ? links.add_default_route6(range6->address_of(step.range.gateway())) : Status();
}

// The device that an IPv6 address of ours was made of.
Ipv4 ipv4_inside(const Ipv6& address) {
  Ipv4 out;
  for (size_t i = 12; i < 16; ++i) out.value = out.value << 8 | address.bytes[i];
  return out;
}

Ipv4 device_of(const Proxy& proxy) {
  return proxy.address.is_none() ? ipv4_inside(proxy.address6) : proxy.address;
}

}  // namespace

Result<io::Fd> build_container_netns() {
  io::Fd netns = TRY(create_netns());
  NetnsScope scope = TRY(NetnsScope::enter(netns));
  // As Docker has it: ::1 stays. A container's root owns no network namespace, so ports below 1024 and ping are opened.
  TRY(set_net_sysctl("ipv6/conf/default/disable_ipv6", "1"));
  TRY(distrust_neighbours());
  TRY(set_net_sysctl("ipv4/ip_unprivileged_port_start", "0"));
  TRY(set_net_sysctl("ipv4/ping_group_range", "0 2147483647"));
  Links links = TRY(Links::open());
  Link loopback = TRY(links.get("lo"));
  TRY(links.add_address(loopback.index, kLoopback, 8));
  TRY(links.set_up(loopback.index));
  return netns;
}

Status set_space_firewall(const io::Fd& space, const SetNetnsFirewall& step) {
  NetnsScope scope = TRY(NetnsScope::enter(space));
  if (!step.forwards) TRY(set_net_sysctl("ipv4/ip_forward", "0"));
  if (!step.forwards) TRY(set_net_sysctl("ipv6/conf/all/forwarding", "0"));
  if (step.forwards) TRY(set_net_sysctl("ipv6/conf/default/disable_ipv6", "0"));
  Nft nft = TRY(Nft::open());
  TRY(nft.run(step.rules));
  if (!step.forwards) return {};
  TRY(set_net_sysctl("ipv4/ip_forward", "1"));
  TRY(set_net_sysctl("ipv4/conf/all/send_redirects", "0"));
  TRY(set_net_sysctl("ipv4/conf/default/send_redirects", "0"));
  TRY(set_net_sysctl("ipv6/conf/all/proxy_ndp", "1"));
  TRY(set_net_sysctl("ipv6/conf/all/forwarding", "1"));
  if (step.settlement.rules.empty()) return {};
  TRY(forget_flows(step.settlement.led, Leaders::Ours));
  return nft.run(step.settlement.rules);
}

Status remove_space_firewall(const io::Fd& space) {
  NetnsScope scope = TRY(NetnsScope::enter(space));
  TRY(set_net_sysctl("ipv4/ip_forward", "0"));
  TRY(set_net_sysctl("ipv6/conf/all/forwarding", "0"));
  return run_nft(nft_remove_table("inet", kTable));
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
    // Before the port's alias, which says that the member is whole. Other access points announce devices: devices.h.
    if (step.member.is_portal) TRY(set_net_sysctl("ipv4/conf/" + step.member.interface + "/arp_accept", "1"));
    TRY(give_member_addresses(inside, step));
    TRY(inside.wait_operational(step.member.interface));
    auto range6 = Range6::parse(step.range6);
    if (range6.has_value()) TRY(inside.wait_address6(range6->address_of(step.member.address)));
  }
  TRY(links.wait_operational(port_text));
  return links.set_alias(port.index, member_alias(step.contract, step.member));
}

Status detach_member(const io::Fd& network, Ipv4 address) {
  NetnsScope scope = TRY(NetnsScope::enter(network));
  Links links = TRY(Links::open());
  return links.remove(port_name(address));
}

namespace {

// The portal's end of its transit link. The way back to the node is on the link itself: no route leads out here.
Status lead_in(const PortalShape& shape) {
  Links links = TRY(Links::open());
  Link own = TRY(links.get(kTransit));
  TRY(links.set_alias(own.index, owner_alias(shape.contract)));
  TRY(links.add_address(own.index, transit_network_address(shape.transit), 31));
  if (shape.has_ipv6) {
    TRY(set_net_sysctl("ipv6/conf/up0/disable_ipv6", "0"));
    TRY(links.add_address6(own.index, transit_network_address6(shape.transit), 127));
  }
  TRY(links.set_up(own.index));
  TRY(links.wait_operational(kTransit));
  return shape.has_ipv6 ? links.wait_address6(transit_network_address6(shape.transit)) : Status();
}

}  // namespace

Status connect_portal(const io::Fd& portal, const PortalShape& shape) {
  std::string name = portal_interface(shape.transit);
  Links links = TRY(Links::open());
  TRY(links.remove(name));
  {
    NetnsScope scope = TRY(NetnsScope::enter(portal));
    Links inside = TRY(Links::open());
    TRY(inside.remove(kTransit));
  }
  TRY(links.add_veth({.name = name, .mtu = shape.mtu}, {.name = kTransit, .mtu = shape.mtu, .netns = portal.get()}));
  Link transit = TRY(links.get(name));
  TRY(links.add_address(transit.index, transit_node_address(shape.transit), 31));
  TRY(set_net_sysctl("ipv6/conf/" + name + "/accept_ra", "0"));
  TRY(set_net_sysctl("ipv6/conf/" + name + "/disable_ipv6", shape.has_ipv6 ? "0" : "1"));
  if (shape.has_ipv6) TRY(links.add_address6(transit.index, transit_node_address6(shape.transit), 127));
  TRY(links.set_up(transit.index));
  {
    NetnsScope scope = TRY(NetnsScope::enter(portal));
    TRY(lead_in(shape));
  }
  TRY(links.wait_operational(name));
  if (shape.has_ipv6) TRY(links.wait_address6(transit_node_address6(shape.transit)));
  return links.set_alias(transit.index, portal_alias(shape));
}

Status disconnect_portal(uint32_t transit) {
  Links links = TRY(Links::open());
  return links.remove(portal_interface(transit));
}

Status set_proxied(const io::Fd& portal, const SetProxied& step) {
  NetnsScope scope = TRY(NetnsScope::enter(portal));
  Links links = TRY(Links::open());
  Link link = TRY(links.get(step.interface));
  // Nobody else answers, so there is nothing to wait for.
  TRY(set_net_sysctl("ipv4/neigh/" + step.interface + "/proxy_delay", "0"));
  if (!step.device6.empty()) {
    TRY(set_net_sysctl("ipv6/neigh/" + step.interface + "/proxy_delay", "0"));
    Ipv6 device6 = TRY(Ipv6::parse(step.device6));
    TRY(links.add_proxy6(link.index, device6));
  }
  return links.add_proxy(link.index, step.device);
}

Status remove_proxied(const io::Fd& portal, Ipv4 device) {
  NetnsScope scope = TRY(NetnsScope::enter(portal));
  Links links = TRY(Links::open());
  std::vector<Proxy> all = TRY(links.proxies());
  for (bool is_ipv4 : {false, true}) {
    for (const Proxy& proxy : all) {
      if (device_of(proxy) == device && is_ipv4 == !proxy.address.is_none()) TRY(links.remove_proxy(proxy));
    }
  }
  return {};
}

Result<std::map<Ipv4, bool>> read_proxied(const io::Fd& portal) {
  NetnsScope scope = TRY(NetnsScope::enter(portal));
  Links links = TRY(Links::open());
  std::vector<Proxy> all = TRY(links.proxies());
  std::map<Ipv4, bool> out;
  // The IPv4 entry is made last and removed last, so it says that both are there.
  for (const Proxy& proxy : all) out[device_of(proxy)] |= !proxy.address.is_none();
  return out;
}

}  // namespace mcloud::network
