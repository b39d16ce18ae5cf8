#include "lab/wiring.h"

#include "network/links.h"
#include "network/netns.h"
#include "network/nft.h"

namespace mcloud::lab {
namespace {

using network::Ipv4;
using network::Links;
using network::NetnsScope;
using network::VethEnd;

constexpr const char* kBridge = "uplink";

std::string root_end(size_t index) { return "up-" + std::to_string(index); }

// Set before links exist: new ones inherit. Both ways of the ring may carry one flow's replies. Addresses are the lab's
// own: nobody announces prefixes, and none is looked for on two machines before it is used.
Status set_defaults() {
  for (const char* scope : {"all", "default"}) {
    std::string conf = std::string("ipv6/conf/") + scope;
    TRY(network::set_net_sysctl(conf + "/disable_ipv6", "0"));
    TRY(network::set_net_sysctl(conf + "/accept_ra", "0"));
    TRY(network::set_net_sysctl(conf + "/accept_dad", "0"));
  }
  for (const char* scope : {"all", "default"}) {
    std::string conf = std::string("ipv4/conf/") + scope;
    TRY(network::set_net_sysctl(conf + "/rp_filter", "0"));
    TRY(network::set_net_sysctl(conf + "/send_redirects", "0"));
    TRY(network::set_net_sysctl(conf + "/accept_redirects", "0"));
  }
  return {};
}

Status add_address_to(Links& links, const std::string& name, const std::string& address, int prefix) {
  network::Link link = TRY(links.get(name));
  Ipv4 parsed = TRY(Ipv4::parse(address));
  TRY(links.add_address(link.index, parsed, prefix));
  return links.set_up(link.index);
}

Status add_address6_to(Links& links, const std::string& name, const std::string& address) {
  network::Link link = TRY(links.get(name));
  network::Ipv6 parsed = TRY(network::Ipv6::parse(address));
  return links.add_address6(link.index, parsed, 64);
}

Status forward_all() {
  TRY(network::set_net_sysctl("ipv4/ip_forward", "1"));
  return network::set_net_sysctl("ipv6/conf/all/forwarding", "1");
}

Status address_in(const io::Fd& node, const std::string& name, const std::string& address, int prefix) {
  NetnsScope scope = TRY(NetnsScope::enter(node));
  Links links = TRY(Links::open());
  return add_address_to(links, name, address, prefix);
}

// The backplane speaks IPv4 only: nothing else shall be heard on it.
Status ring_end(const io::Fd& node, const std::string& name, const std::string& address) {
  NetnsScope scope = TRY(NetnsScope::enter(node));
  TRY(network::set_net_sysctl("ipv6/conf/" + name + "/disable_ipv6", "1"));
  Links links = TRY(Links::open());
  return add_address_to(links, name, address, 31);
}

constexpr const char* kNodeRules = R"(
table inet mcloud_lab {
  chain input {
    type filter hook input priority -10; policy accept;
    tcp dport 179 iifname != { "lo", "ring-next", "ring-prev" } drop
    udp dport { 3784, 3785 } iifname != { "lo", "ring-next", "ring-prev" } drop
  }
  chain arrival {
    type filter hook prerouting priority -310; policy accept;
    iifname "uplink" ip saddr 10.251.0.0/16 drop
    iifname "uplink" ip daddr 10.251.0.0/16 drop
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    iifname "uplink" oifname { "ring-next", "ring-prev" } drop
    iifname { "ring-next", "ring-prev" } oifname "uplink" drop
  }
}
)";

// What a router at home does: leads out under its own address, takes in what answers that.
constexpr const char* kOutside = "outside";
constexpr const char* kInside = "inside";
constexpr const char* kRouterRules = R"(
table inet mcloud_lab {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "inside" accept
  }
  chain leave {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "outside" masquerade
  }
}
)";

// A cable from the root's bridge to `end`.
Status plug_in(const VethEnd& end, size_t index) {
  Links links = TRY(Links::open());
  TRY(links.add_veth({.name = root_end(index)}, end));
  network::Link port = TRY(links.get(root_end(index)));
  network::Link bridge = TRY(links.get(kBridge));
  TRY(links.set_master(port.index, bridge.index));
  return links.set_up(port.index);
}

struct Uplink {
  std::string interface, address, address6, gateway, gateway6;
};

Status finish_uplink(const io::Fd& place, const Uplink& uplink) {
  TRY(address_in(place, uplink.interface, uplink.address, 24));
  NetnsScope scope = TRY(NetnsScope::enter(place));
  Links inside = TRY(Links::open());
  TRY(add_address6_to(inside, uplink.interface, uplink.address6));
  // While the ring converges, backplane packets must not try their luck on the uplink.
  network::Range backplane = TRY(network::Range::parse(kBackplaneRange));
  TRY(inside.add_unreachable(backplane));
  TRY(inside.wait_operational(uplink.interface));
  Ipv4 gateway = TRY(Ipv4::parse(uplink.gateway));
  TRY(inside.add_default_route(gateway));
  return inside.add_default_route6(TRY(network::Ipv6::parse(uplink.gateway6)));
}

Status drop_arrivals(const std::string& interface, Traffic traffic) {
  std::string name = "mcloud_cut_" + interface;
  for (char& c : name) c = c == '-' ? '_' : c;
  std::string rules = network::nft_remove_table("netdev", name);
  if (traffic == Traffic::Cut) {
    rules += "table netdev " + name + " {\n chain arrival {\n  type filter hook ingress device \"" + interface +
             "\" priority -500; policy drop;\n }\n}\n";
  }
  return network::run_nft(rules);
}

}  // namespace

Status wire_root() {
  TRY(set_defaults());
  Links links = TRY(Links::open());
  TRY(add_address_to(links, "lo", "127.0.0.1", 8));
  TRY(links.add_bridge(kBridge, "", 1500));
  TRY(add_address_to(links, kBridge, kHubAddress, 24));
  return add_address6_to(links, kBridge, kHubAddress6);
}

Status wire_node(const io::Fd& node, const std::string& backplane) {
  NetnsScope scope = TRY(NetnsScope::enter(node));
  TRY(set_defaults());
  TRY(forward_all());
  TRY(network::set_net_sysctl("ipv4/fib_multipath_hash_policy", "1"));
  Links links = TRY(Links::open());
  TRY(add_address_to(links, "lo", "127.0.0.1", 8));
  if (!backplane.empty()) TRY(add_address_to(links, "lo", backplane, 32));
  return network::run_nft(kNodeRules);
}

Status connect_uplink(const io::Fd& node, size_t index) {
  TRY(disconnect_uplink(index));
  TRY(plug_in({.name = kUplinkInterface, .netns = node.get()}, index));
  return finish_uplink(node,
                       {kUplinkInterface, uplink_address(index), uplink_address6(index), kHubAddress, kHubAddress6});
}

std::string router_netns(size_t index) { return "/run/netns/router-" + std::to_string(index); }

Status connect_hidden_uplink(const io::Fd& node, size_t index) {
  TRY(disconnect_uplink(index));
  io::Fd router = TRY(network::create_netns());
  TRY(plug_in({.name = kOutside, .netns = router.get()}, index));
  {
    NetnsScope scope = TRY(NetnsScope::enter(router));
    TRY(set_defaults());
    TRY(forward_all());
    Links links = TRY(Links::open());
    TRY(add_address_to(links, "lo", "127.0.0.1", 8));
    TRY(links.add_veth({.name = kInside}, {.name = kUplinkInterface, .netns = node.get()}));
    TRY(add_address_to(links, kInside, router_address(index), 24));
    TRY(add_address6_to(links, kInside, router_address6(index)));
    TRY(network::run_nft(kRouterRules));
  }
  TRY(finish_uplink(router, {kOutside, uplink_address(index), uplink_address6(index), kHubAddress, kHubAddress6}));
  TRY(finish_uplink(node, {kUplinkInterface, hidden_address(index), hidden_address6(index), router_address(index),
                           router_address6(index)}));
  TRY(io::make_folders("/run/netns"));
  return network::pin_netns(router, router_netns(index));
}

Status disconnect_uplink(size_t index) {
  Links links = TRY(Links::open());
  TRY(links.remove(root_end(index)));
  return network::unpin_netns(router_netns(index));
}

Status connect_ring(const RingLink& link, const io::Fd& from, const io::Fd& to) {
  TRY(disconnect_ring(from));
  {
    // A cable whose other end's namespace is being torn down still holds its name here.
    NetnsScope scope = TRY(NetnsScope::enter(to));
    Links links = TRY(Links::open());
    TRY(links.remove(kRingPrevious));
  }
  Links links = TRY(Links::open());
  TRY(links.add_veth({.name = kRingNext, .mtu = kRingMtu, .netns = from.get()},
                     {.name = kRingPrevious, .mtu = kRingMtu, .netns = to.get()}));
  TRY(ring_end(from, kRingNext, ring_address(link.from, false)));
  return ring_end(to, kRingPrevious, ring_address(link.from, true));
}

Status disconnect_ring(const io::Fd& from) {
  NetnsScope scope = TRY(NetnsScope::enter(from));
  return TRY(Links::open()).remove(kRingNext);
}

Status unplug(const io::Fd& node) {
  NetnsScope scope = TRY(NetnsScope::enter(node));
  Links links = TRY(Links::open());
  for (const char* cable : {kUplinkInterface, kRingNext, kRingPrevious}) TRY(links.remove(cable));
  return {};
}

Status set_traffic(const io::Fd& node, const std::string& interface, Traffic traffic) {
  NetnsScope scope = TRY(NetnsScope::enter(node));
  return drop_arrivals(interface, traffic).with_context("cut or mend " + interface);
}

Status set_uplink_traffic(size_t index, Traffic traffic) {
  return drop_arrivals(root_end(index), traffic)
      .with_context("cut or mend the uplink of node " + std::to_string(index));
}

}  // namespace mcloud::lab
