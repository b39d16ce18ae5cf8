// Large transfers where a link in the middle takes 1,280 bytes only and nobody was told.
#include <doctest/doctest.h>

#include "network/machine_fixture.h"
#include "network/mesh_bench_test.h"
#include "network/plan.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr size_t kBytes = 50 << 20;
constexpr const char* kUla = "fd12:3456:789a::/64";

Network make_network(Underlay underlay) {
  Network network;
  network.name = "default";
  network.vni = 7;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = kUla;
  network.underlay = underlay;
  return network;
}

// Both ways, one after the other.
void check_transfers(const Place& client, const Place& server, const std::string& listen, const std::string& address,
                     uint16_t port, uint16_t listen_port) {
  CAPTURE(address);
  TcpServer tcp(server, listen, listen_port);
  io::Fd one = connect_tcp(client, address, port);
  io::Fd other = tcp.take();
  REQUIRE(one.is_open());
  REQUIRE(other.is_open());
  CHECK_EQ(transfer(one, other, kBytes), kBytes);
  CHECK_EQ(transfer(other, one, kBytes), kBytes);
}

// The first packet on a fresh link may be lost, and is asked for again a second later.
bool pings_soon(const Place& from, const std::string& to) {
  for (int i = 0; i < 20; ++i) {
    if (ping(from, to)) return true;
  }
  return false;
}

// The second node's backplane address is behind two routers, with the narrow link between them.
struct NarrowBackplane {
  NarrowBackplane(Nodes& nodes, const Place& here) : far(make_place()) {
    shell(nodes.places[1], "ip link del bp");
    join(here, "narrow", far, "narrow", 1280);
    join(far, "bp", nodes.places[1], "bp");
    // Each router answers for what lies behind it, at once.
    std::string routing = "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.proxy_arp=1; "
                          "for link in /proc/sys/net/ipv4/neigh/*; do echo 0 > $link/proxy_delay; done; ";
    shell(here, "ip link set narrow up; ip addr add 172.16.9.1/32 dev narrow; ip route add 172.16.0.2 dev narrow; " + routing);
    shell(far, "ip link set narrow up; ip link set bp up; ip addr add 172.16.9.2/32 dev bp; ip route add 172.16.0.2 dev bp; "
               "ip route add 172.16.0.0/24 dev narrow; " + routing);
    give_address(nodes.places[1], "bp", "172.16.0.2", 24);
    REQUIRE(pings_soon(nodes.places[0], "172.16.0.2"));
  }
  Place far;
};

void apply_both(Nodes& nodes, Underlay underlay, const std::string& first, const std::string& second) {
  DesiredNetworks one = nodes.base(0), two = nodes.base(1);
  one.networks = {make_network(underlay)};
  one.networks[0].members = {{"web-0", "eth0", ip("10.42.0.2")}};
  one.networks[0].remotes = {{ip("10.42.0.3"), ip(second)}};
  two.networks = {make_network(underlay)};
  two.networks[0].members = {{"web-1", "eth0", ip("10.42.0.3")}};
  two.networks[0].remotes = {{ip("10.42.0.2"), ip(first)}};
  nodes.apply(0, one);
  nodes.apply(1, two);
}

}  // namespace

TEST_CASE("50 MB between members pass a narrow link of the backplane, plain") {
  if (!can_make_networks()) return;
  Nodes nodes(2);
  NarrowBackplane narrow(nodes, nodes.backplane);
  apply_both(nodes, Underlay::Plain, "172.16.0.1", "172.16.0.2");
  Place web0 = nodes.container(0, "web-0"), web1 = nodes.container(1, "web-1");
  check_transfers(web0, web1, "0.0.0.0", "10.42.0.3", 80, 80);
  check_transfers(web0, web1, "::", address6_of(kUla, ip("10.42.0.3")), 80, 80);
}

TEST_CASE("50 MB between members pass a narrow link of the backplane, through WireGuard") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  NarrowBackplane narrow(nodes, nodes.backplane);
  for (size_t node : {0, 1}) nodes.apply_mesh(node);
  apply_both(nodes, Underlay::Mesh, nodes.address(0), nodes.address(1));
  Place web0 = nodes.container(0, "web-0"), web1 = nodes.container(1, "web-1");
  REQUIRE(pings_soon(nodes.mesh(0), nodes.address(1)));
  check_transfers(web0, web1, "0.0.0.0", "10.42.0.3", 80, 80);
  check_transfers(web0, web1, "::", address6_of(kUla, ip("10.42.0.3")), 80, 80);
}

TEST_CASE("50 MB between a member and the world pass a narrow link out there, as client and as published, also when restricted") {
  if (!can_make_networks()) return;
  Nodes nodes(1);
  Place far_router = make_place(), far = make_place();
  join(nodes.outside, "narrow", far_router, "narrow", 1280);
  join(far_router, "wide", far, "wide");
  shell(nodes.outside, "ip link set narrow up; ip addr add 10.99.0.1/24 dev narrow; ip addr add 2001:db8:99::1/64 dev narrow nodad; "
                       "ip route add 10.100.0.0/24 via 10.99.0.2; ip route add 2001:db8:100::/64 via 2001:db8:99::2; "
                       "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  shell(far_router, "ip link set narrow up; ip addr add 10.99.0.2/24 dev narrow; ip addr add 2001:db8:99::2/64 dev narrow nodad; "
                    "ip link set wide up; ip addr add 10.100.0.1/24 dev wide; ip addr add 2001:db8:100::1/64 dev wide nodad; "
                    "ip route add default via 10.99.0.1; ip route add default via 2001:db8:99::1; "
                    "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  shell(far, "ip link set wide up; ip addr add 10.100.0.2/24 dev wide; ip addr add 2001:db8:100::2/64 dev wide nodad; "
             "ip route add default via 10.100.0.1; ip route add default via 2001:db8:100::1");
  shell(nodes.places[0], "ip route add default via 10.250.0.1; ip route add default via 2001:db8::1");
  DesiredNetworks one = nodes.base(0);
  one.networks = {make_network(Underlay::Plain)};
  one.networks[0].members = {{"web-0", "eth0", ip("10.42.0.2")}};
  one.publications = {{Publication::Protocol::Tcp, 8080, 7, {{ip("10.42.0.2"), 80}}}};
  nodes.apply(0, one);
  Place web = nodes.container(0, "web-0");
  check_transfers(web, far, "0.0.0.0", "10.100.0.2", 81, 81);
  check_transfers(web, far, "::", "2001:db8:100::2", 81, 81);
  one.networks[0].restricted = true;
  nodes.apply(0, one);
  check_transfers(far, web, "0.0.0.0", "10.250.0.11", 8080, 80);
  check_transfers(far, web, "::", "2001:db8::11", 8080, 80);
}
