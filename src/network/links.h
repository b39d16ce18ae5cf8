// Links, addresses, routes and forwarding entries of one network namespace, by rtnetlink. Links themselves in links.cc,
// what hangs on them in neighbours.cc.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "network/address.h"
#include "network/netlink.h"

namespace mcloud::network {

struct Link {
  int index = 0;
  std::string name;
  std::string alias;
  std::string kind;  // "veth", "bridge", "vxlan", ...
  int mtu = 0;
  int master = 0;  // index of its bridge, 0 = none
  bool is_up = false;
  bool is_operational = false;  // up, with carrier, and the kernel has begun to send through it
};

// Of a link, for others to call: global, neither temporary nor deprecated nor still being tried.
struct LinkAddress {
  std::string interface;
  std::string address;  // IPv4, or IPv6 as RFC 5952 has it
  auto operator<=>(const LinkAddress&) const = default;
};

// One end of a veth pair.
struct VethEnd {
  std::string name;
  std::string mac;  // "" = any
  int mtu = 1500;
  int netns = -1;  // descriptor of the namespace it goes to; -1 = this one
};

struct Vxlan {
  std::string name;
  uint32_t vni = 0;
  Ipv4 local;  // none: as the route to each node has it
  uint16_t port = 4789;
  int mtu = 1450;
  int netns = -1;  // where the device goes; its UDP socket stays in this one
};

// All of another link's traffic, and nobody else's (macvlan in mode passthru).
struct Passthrough {
  std::string name;
  int lower = 0;
  int mtu = 1500;
  int netns = -1;  // where the device goes; the other stays
};

// An address for which this machine answers on a link.
struct Proxy {
  int link = 0;
  Ipv4 address;
  Ipv6 address6;  // when `address` is none
};

// How a bridge treats a port. All forwarding entries are static unless `learning`.
struct BridgePort {
  bool learning = false;
  bool unicast_flood = false;
};

// Where frames for a MAC go. For a VXLAN device also the node behind it.
struct ForwardingEntry {
  std::string mac;
  int link = 0;
  Ipv4 node;               // none = no VXLAN
  bool is_bridge = false;  // the entry of the bridge (true) or the VXLAN device's own (false)
};

// Bound to the namespace it was opened in. Not thread-safe. Errors name the thing.
class Links {
 public:
  static Result<Links> open();

  Result<std::vector<Link>> list();
  Result<std::optional<Link>> find(const std::string& name);
  Result<Link> get(const std::string& name);  // NotFound
  Status remove(const std::string& name);     // absent is fine

  Status add_bridge(const std::string& name, const std::string& mac, int mtu);
  Status add_veth(const VethEnd& one, const VethEnd& other);
  Status add_vxlan(const Vxlan& vxlan);
  Status add_passthrough(const Passthrough& link);

  Status set_up(int link);
  // A link gets its carrier some time after its other end came up; what is sent before is lost, and a lost ARP
  // request is repeated only after a second. TimedOut after 5 s.
  Status wait_operational(const std::string& name);
  Status set_alias(int link, const std::string& alias);
  Status set_master(int link, int bridge);  // 0 = none
  Status set_port(int link, const BridgePort& port);

  // In the kernel's order: of one link those that were there first come first.
  Result<std::vector<LinkAddress>> addresses();
  Status add_address(int link, Ipv4 address, int prefix);  // there already: fine
  Status remove_address(int link, Ipv4 address, int prefix);  // absent is fine
  Status add_address6(int link, const Ipv6& address, int prefix);  // without looking for others who have it
  // Until the kernel answers for it, which it does a moment after the link has come up; who asks before waits a second.
  // TimedOut after 5 s.
  Status wait_address6(const Ipv6& address);
  Status remove_address6(int link, const Ipv6& address, int prefix);  // absent is fine
  Status add_default_route(Ipv4 gateway);                  // replaces
  Status add_default_route6(const Ipv6& gateway);          // replaces
  Status add_unreachable(const Range& range);              // where no better route leads; replaces

  // Replaces; a zero MAC ("00:00:00:00:00:00") is where broadcasts go and may have several nodes.
  Status add_forwarding(const ForwardingEntry& entry);
  Status remove_forwarding(const ForwardingEntry& entry);  // absent is fine
  Result<std::vector<ForwardingEntry>> forwarding(int link);

  Status add_proxy(int link, Ipv4 address);  // there already: fine
  Status add_proxy6(int link, const Ipv6& address);
  Status remove_proxy(const Proxy& proxy);   // absent is fine
  Result<std::vector<Proxy>> proxies();

  // IPv4 addresses on a link whose MAC the kernel knows, by asking or by hearing.
  Result<std::set<Ipv4>> neighbours(int link);
  Status remove_neighbour(int link, Ipv4 address);  // absent is fine

 private:
  explicit Links(NetlinkSocket socket) : socket_(std::move(socket)) {}
  Status change(NetlinkMessage message, const std::string& doing);
  // As change(), of what gets a name or number of its own: taken by something that is just being disposed of (a whole
  // namespace goes in the background), it is free within some ms.
  Status create(const NetlinkMessage& message, const std::string& doing);
  NetlinkSocket socket_;
};

// "02:6d:..." as six bytes; all our MACs are made by mac_of() or constants.
std::string mac_bytes(const std::string& text);
void pause_shortly();  // 0.2 ms, between two looks at what the kernel does in its own time

inline constexpr const char* kEveryMac = "00:00:00:00:00:00";

}  // namespace mcloud::network
