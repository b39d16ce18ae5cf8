// Which steps turn the networks found on this machine into those wanted. Pure.
//
// How a network looks on a node. Ranges of different contracts may overlap, so each network has a
// network namespace of its own:
//
//   container netns          netns mcloud_net_VNI                      the node's netns
//   eth0 10.42.0.7 ---- m0a2a0007 \                                    (uplink, backplane)
//                                  br0 10.42.0.1   up0 198.19.x.1 ---- mcloud-VNI 198.19.x.0
//   eth0 10.42.0.8 ---- m0a2a0008 /  |             (masquerade out,
//                                   vx0             DNAT of publications and ways in)
//
//   portal's netns
//   eth0 10.42.0.9 ---- m0a2a0009 (as above)
//   up0 198.19.y.1 -------------------------------------------------- mcloud-pN 198.19.y.0 (a gateway's portal)
//   access (WireGuard) ---- UDP socket in the node's netns            (a people's portal)
//
// vx0 is the VXLAN device; its UDP socket lives where `Network.underlay` says. Who sits where is known from the ledger,
// so nothing is learned: every MAC follows from its address (address.h) and every forwarding entry is static.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "network/address.h"
#include "network/wireguard.h"

namespace mcloud::network {

// ---- what is wanted ------------------------------------------------------------------------------

// A container's place in one network of this node.
struct Member {
  std::string netns;               // NAME, to be found at Machine::netns_path(NAME); one per container,
                                   // [a-z0-9-]{1,64}; the same name in several networks joins them all
  std::string interface = "eth0";  // in the container; the default route goes through eth0
  Ipv4 address;
  bool is_portal = false;  // the node's own: nothing runs in it, it forwards (docs/design/network.md 2); in no other network
  auto operator<=>(const Member&) const = default;
};

// A replica on another node.
struct RemoteMember {
  Ipv4 address;
  Ipv4 node;  // of its node: on the backplane (Plain), in the mesh (Mesh, Dedicated)
  auto operator<=>(const RemoteMember&) const = default;
};

// What carries a network between nodes.
enum class Underlay {
  Plain,      // the backplane itself, UDP 4790 in the node's namespace
  Mesh,       // WireGuard in the namespace of the mesh (mesh.h), UDP 4789
  Dedicated,  // a WireGuard device in the network's own namespace, UDP 4789
};

// A connection that may be opened, of a network that is `restricted`. Publications and ways without a portal need no
// rule: they lead in by themselves. A way through a portal needs one at the target, from the portal's address.
struct AllowRule {
  std::vector<Ipv4> from, to;  // members, local or not, and devices
  std::string protocol;        // "tcp", "udp", "" = all of IP
  uint16_t port_first = 0, port_last = 0;  // 0 and 0 = all
  bool to_world = false;                   // instead of `to`: what is not of the network; the node says how far that goes
  auto operator<=>(const AllowRule&) const = default;
};

// A port on the transit address of the network, or of one of its gateway portals, that leads to a member.
struct Way {
  std::string protocol = "tcp";
  uint16_t port = 0;
  Ipv4 address;
  uint16_t target_port = 0;
  // Netns of a member that is a portal; "" = the network's own transit: then `address` is local and `port` none that is
  // published from this network.
  std::string portal;
  auto operator<=>(const Way&) const = default;
};

// A person's machine, behind an access point.
struct Device {
  WireGuardKey key;
  Ipv4 address;
  bool is_here = true;  // false: behind another access point of the network now; its key is good here all the same
  auto operator<=>(const Device&) const = default;
};

// Plain WireGuard for people's machines, in the namespace of a portal.
struct Access {
  std::string portal;  // netns of a member
  uint16_t port = 0;   // UDP, in the node's namespace
  WireGuardKey secret;
  std::vector<Device> devices;
  bool operator==(const Access&) const = default;
};

struct Network {
  ContractId contract;
  std::string name;
  uint32_t vni = 0;  // unique on the ledger, 1..2^24-1
  Range range;
  std::string range6;  // "fd12:3456:789a::/64", see address.h; "" = no IPv6
  Underlay underlay = Underlay::Plain;
  std::string bridge;  // with Plain: interface of a physical network that takes VXLAN's place; "" = none
  int underlay_mtu = 0;  // of the narrowest way between its nodes, so that all send packets that all can take; 0 = as below
  bool restricted = false;
  std::vector<AllowRule> allow;
  std::vector<Member> members;
  std::vector<RemoteMember> remotes;
  std::vector<Way> ways;
  std::optional<Access> access;
  bool operator==(const Network&) const = default;
};

// A port of the uplink that leads to members of one network, in turn. Without targets it is not there.
struct Publication {
  enum class Protocol { Tcp, Udp };
  struct Target {
    Ipv4 address;
    uint16_t port = 0;
    auto operator<=>(const Target&) const = default;
  };
  Protocol protocol = Protocol::Tcp;
  uint16_t port = 0;
  uint32_t vni = 0;
  std::vector<Target> targets;  // a target that is there twice is led to twice as often
  // Netns of a gateway portal, through which members on any node are reached: they see its address. "" = the network's
  // own transit: to local members, which see the client's.
  std::string portal = {};
  std::vector<std::string> from = {};  // with a portal: ranges of either family that may come in; none = everybody
  bool operator==(const Publication&) const = default;
};

struct DesiredNetworks {
  Ipv4 backplane;                // this node's address: the source of VXLAN packets
  std::string uplink;            // interface where publications appear and containers leave; "" = none
  int underlay_mtu = 1500;       // of the way between nodes; containers get 50 less
  std::vector<Range> forbidden;  // what containers must not reach through the uplink (backplane, ledger)
  std::vector<std::string> forbidden6;  // the same, "2001:db8::/32"; ULA and link-local ranges always are
  std::vector<std::string> forbidden_services;  // single ports of what may be reached else: "192.0.2.1:7100", "[2001:db8::1]:7100"
  std::vector<Network> networks;
  std::vector<Publication> publications;
  bool operator==(const DesiredNetworks&) const = default;
};

// ---- what is there -------------------------------------------------------------------------------

// All that is fixed when a network is created; another value in any field means remove and create.
struct NetworkShape {
  ContractId contract;
  std::string name;
  uint32_t vni = 0;
  Range range;
  std::string range6;
  Underlay underlay = Underlay::Plain;
  std::string bridge;
  Ipv4 backplane;        // of Plain
  int mtu = 0;           // of the containers
  uint32_t transit = 0;  // number of its /31 in 198.19.0.0/16, lowest free one of this node
  auto operator<=>(const NetworkShape&) const = default;
};

// The transit link of a portal that gateways use. It has a number of the same row as networks'.
struct PortalShape {
  ContractId contract;
  uint32_t vni = 0;
  std::string netns;
  Ipv4 member;
  int mtu = 0;
  bool has_ipv6 = false;
  uint32_t transit = 0;
  auto operator<=>(const PortalShape&) const = default;
};

// Who may send VXLAN packets of a network. Those of one network stand together in a set.
struct VxlanSource {
  Ipv4 node;
  uint32_t vni = 0;
  bool operator==(const VxlanSource&) const = default;
  auto operator<=>(const VxlanSource& other) const {
    auto by_vni = vni <=> other.vni;
    return by_vni != 0 ? by_vni : node <=> other.node;
  }
};

struct ActualNetwork {
  std::optional<NetworkShape> shape;  // nullopt: half made or not understood
  std::string firewall;               // revision of its rules, "" = none
  std::set<Member> members;           // completely attached ones
  std::set<Ipv4> leftovers;           // addresses of half attached ones
  std::map<Ipv4, Ipv4> remotes;       // address -> node
  std::set<Ipv4> peers;               // nodes that broadcasts go to
  bool has_underlay = false;          // vx0 is there and its socket where it should be
};

struct ActualNetworks {
  bool forwarding = false;                     // the node forwards IPv4
  bool forwarding6 = false;
  std::string firewall;                        // revision of the node's rules, "" = none
  std::set<VxlanSource> sources;               // in the node's rules
  bool has_mesh = false;                       // its namespace is there
  std::string mesh_firewall;                   // as `firewall`, in the namespace of the mesh
  std::set<VxlanSource> mesh_sources;
  std::map<uint32_t, ActualNetwork> networks;  // by VNI
  std::map<uint32_t, std::optional<PortalShape>> portals;  // by transit number; nullopt: half made
  std::set<std::string> netns;                 // of containers and portals; complete ones
  std::set<std::string> netns_leftovers;       // half made ones
  std::map<std::string, std::string> netns_firewalls;      // revision of the rules in them, where there are some
  // Devices that a portal answers for, by its netns; false: half made.
  std::map<std::string, std::map<Ipv4, bool>> proxied;
};

// Where ways lead in on the node: the network's own transit address, or that of its portal. Nullopt: not there (yet).
std::optional<Ipv4> transit_address(const ActualNetworks& actual, uint32_t vni, const std::string& portal = "");

// ---- steps ---------------------------------------------------------------------------------------

// Where rules lead datagrams that come to a port: a member, the resolver, a transit link.
struct Led {
  uint16_t port = 0;
  std::string address;  // of either family
  uint16_t target_port = 0;
  auto operator<=>(const Led&) const = default;
};
// What follows on new rules: flows that lead elsewhere are forgotten, then `rules` say that this is done too, by the
// revision. A crash in between leaves another revision.
struct Settlement {
  std::set<Led> led;
  std::string rules;
  bool operator==(const Settlement&) const = default;
};

struct EnableForwarding {
  bool operator==(const EnableForwarding&) const = default;
};
struct EnableForwarding6 {
  bool operator==(const EnableForwarding6&) const = default;
};
struct SetNodeFirewall {
  std::string rules, revision;
  Settlement settlement;
  bool operator==(const SetNodeFirewall&) const = default;
};
struct RemoveNodeFirewall {
  bool operator==(const RemoveNodeFirewall&) const = default;
};
struct SetMeshFirewall {
  std::string rules, revision;
  bool operator==(const SetMeshFirewall&) const = default;
};
struct RemoveMeshFirewall {
  bool operator==(const RemoveMeshFirewall&) const = default;
};
// In the node's rules (Plain) or the mesh's.
struct ChangeSources {
  Underlay underlay = Underlay::Plain;
  std::vector<VxlanSource> removed, added;
  bool operator==(const ChangeSources&) const = default;
};
struct CreateNetwork {
  NetworkShape shape;
  bool operator==(const CreateNetwork&) const = default;
};
struct RemoveNetwork {
  uint32_t vni = 0;
  bool operator==(const RemoveNetwork&) const = default;
};
// Makes vx0 again; no member notices.
struct RepairUnderlay {
  NetworkShape shape;
  bool operator==(const RepairUnderlay&) const = default;
};
struct SetNetworkFirewall {
  uint32_t vni = 0;
  std::string rules, revision;
  Settlement settlement;
  bool operator==(const SetNetworkFirewall&) const = default;
};
struct SetPeer {
  uint32_t vni = 0;
  Ipv4 node;
  bool operator==(const SetPeer&) const = default;
};
struct RemovePeer {
  uint32_t vni = 0;
  Ipv4 node;
  bool operator==(const RemovePeer&) const = default;
};
struct SetRemote {
  uint32_t vni = 0;
  RemoteMember remote;
  bool operator==(const SetRemote&) const = default;
};
struct RemoveRemote {
  uint32_t vni = 0;
  Ipv4 address;
  bool operator==(const RemoveRemote&) const = default;
};
struct CreateNetns {
  std::string netns;
  bool operator==(const CreateNetns&) const = default;
};
struct RemoveNetns {
  std::string netns;
  bool operator==(const RemoveNetns&) const = default;
};
struct SetNetnsFirewall {
  std::string netns;
  std::string rules, revision;
  bool forwards = false;  // a portal
  Settlement settlement;  // of one
  bool operator==(const SetNetnsFirewall&) const = default;
};
struct RemoveNetnsFirewall {
  std::string netns;
  bool operator==(const RemoveNetnsFirewall&) const = default;
};
struct AttachMember {
  uint32_t vni = 0;
  ContractId contract;
  Member member;
  Range range;
  std::string range6;
  int mtu = 0;
  bool operator==(const AttachMember&) const = default;
};
struct DetachMember {
  uint32_t vni = 0;
  Ipv4 address;
  bool operator==(const DetachMember&) const = default;
};
struct ConnectPortal {
  PortalShape shape;
  bool operator==(const ConnectPortal&) const = default;
};
struct DisconnectPortal {
  uint32_t transit = 0;
  bool operator==(const DisconnectPortal&) const = default;
};
// A portal answers for a device: ARP and neighbour discovery.
struct SetProxied {
  std::string netns, interface;
  Ipv4 device;
  std::string device6;
  bool operator==(const SetProxied&) const = default;
};
struct RemoveProxied {
  std::string netns;
  Ipv4 device;
  bool operator==(const RemoveProxied&) const = default;
};

// No step of plan(): what a portal tells all members of a network with several access points.
struct DeviceAnnouncement {
  std::string portal, interface;  // netns, as of a member
  Ipv4 member;                    // the portal's own address
  Ipv4 device;
  std::string device6;            // "" = none
};

using NetworkStep = std::variant<EnableForwarding, EnableForwarding6, SetNodeFirewall, RemoveNodeFirewall, SetMeshFirewall,
                                 RemoveMeshFirewall, ChangeSources, CreateNetwork, RemoveNetwork, RepairUnderlay,
                                 SetNetworkFirewall, SetPeer, RemovePeer, SetRemote, RemoveRemote, CreateNetns,
                                 RemoveNetns, SetNetnsFirewall, RemoveNetnsFirewall, AttachMember, DetachMember,
                                 ConnectPortal, DisconnectPortal, SetProxied, RemoveProxied>;

// In the order in which they are to be done. Each is idempotent; after a crash between any two (or inside
// one) reading and planning again leads to the same end. No steps: all is as wanted. An empty `desired`
// removes everything of ours but forwarding. Entries that contradict each other or themselves (a member
// outside its range, two owners of one VNI or port) are left out, first one wins: see complaints().
// Its work is that of all that is wanted and there; for the work of what changes alone: planner.h.
std::vector<NetworkStep> plan(const DesiredNetworks& desired, const ActualNetworks& actual);

// What plan() leaves out and why; empty for what the ledger grants.
std::vector<std::string> complaints(const DesiredNetworks& desired);

// The WireGuard devices of access portals, for WireGuard::apply() after this: the device stands in the portal's namespace
// (in netns_folder: "mcloud-" + Access.portal), its peers are the devices of people.
std::vector<WireGuardDevice> access_devices(const DesiredNetworks& desired);

// "attach 10.42.0.7 to network 1001": for logs.
std::string describe(const NetworkStep& step);

}  // namespace mcloud::network
