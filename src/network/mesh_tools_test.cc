#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string_view>

#include "io/clock.h"
#include "network/links.h"
#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/wireguard_links.h"
#include "testing/temporary_folder.h"

namespace mcloud::network {
namespace {

std::string mac_of_link(const std::string& link) {
  io::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, link.c_str(), IFNAMSIZ - 1);
  REQUIRE_EQ(::ioctl(fd.get(), SIOCGIFHWADDR, &request), 0);
  std::string out;
  for (int i = 0; i < 6; ++i) {
    char text[4];
    std::snprintf(text, sizeof text, "%02x", static_cast<unsigned char>(request.ifr_hwaddr.sa_data[i]));
    out += (i == 0 ? "" : ":") + std::string(text);
  }
  return out;
}

void give(const std::string& link_name, const std::string& address, int prefix) {
  Links links = Links::open().value();
  Link link = links.get(link_name).value();
  REQUIRE(links.add_address(link.index, ip(address), prefix).has_value());
  REQUIRE(links.set_up(link.index).has_value());
}

void wait_for(const Place& place, const std::string& link) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  REQUIRE(Links::open().value().wait_operational(link).has_value());
}

}  // namespace

Overlay::Overlay(MeshNodes& nodes) {
  for (size_t i = 0; i < nodes.meshes.size(); ++i) {
    places.push_back({create_netns().value()});
    {
      NetnsScope scope = NetnsScope::enter(nodes.mesh(i).netns).value();
      Vxlan vxlan{.name = "vx0", .vni = 7, .mtu = nodes.underlay_mtu - kMeshOverhead - 50, .netns = places[i].netns.get()};
      REQUIRE(Links::open().value().add_vxlan(vxlan).has_value());
    }
    NetnsScope scope = NetnsScope::enter(places[i].netns).value();
    REQUIRE(set_net_sysctl("ipv4/ping_group_range", "0 2147483647").has_value());
    give("vx0", address(i), 24);
    macs_.push_back(mac_of_link("vx0"));
  }
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t j = 0; j < places.size(); ++j) {
      if (i != j) lead(i, j, nodes.address(j, nodes.meshes[j].own_keys[0].slot));
    }
  }
}

void Overlay::lead(size_t from, size_t to, const std::string& mesh_address) {
  std::string& target = targets_[{from, to}];
  if (target == mesh_address) return;
  NetnsScope scope = NetnsScope::enter(places[from].netns).value();
  Links links = Links::open().value();
  int link = links.get("vx0").value().index;
  REQUIRE(links.add_forwarding({.mac = macs_[to], .link = link, .node = ip(mesh_address)}).has_value());
  REQUIRE(links.add_forwarding({.mac = kEveryMac, .link = link, .node = ip(mesh_address)}).has_value());
  if (!target.empty()) {
    REQUIRE(links.remove_forwarding({.mac = kEveryMac, .link = link, .node = ip(target)}).has_value());
  }
  target = mesh_address;
}

Nat::Nat(MeshNodes& nodes, size_t node, uint16_t first_port) : nodes_(nodes), place_{create_netns().value()} {
  port_ = "nat" + std::to_string(node);
  {
    NetnsScope scope = NetnsScope::enter(nodes.outside.netns).value();
    Links links = Links::open().value();
    REQUIRE(links.add_veth({.name = port_}, {.name = "wan", .netns = place_.netns.get()}).has_value());
    Link port = links.get(port_).value();
    REQUIRE(links.set_master(port.index, links.get("switch").value().index).has_value());
    REQUIRE(links.set_up(port.index).has_value());
  }
  {
    NetnsScope scope = NetnsScope::enter(place_.netns).value();
    REQUIRE(Links::open().value().add_veth({.name = "lan"}, {.name = "behind", .netns = nodes.places[node].netns.get()}).has_value());
    give("wan", "10.250.0." + std::to_string(200 + node), 24);
    give("lan", "192.168.7.1", 24);
    REQUIRE(Links::open().value().wait_operational("wan").has_value());
    REQUIRE(set_net_sysctl("ipv4/ip_forward", "1").has_value());
    std::string ports = std::to_string(first_port) + "-" + std::to_string(first_port + 99);
    std::string rules = "table ip nat {\n chain leave {\n type nat hook postrouting priority srcnat; policy accept;\n"
                        " oifname \"wan\" meta l4proto udp masquerade to :" + ports + "\n }\n"
                        " chain pass {\n type filter hook forward priority filter; policy accept;\n"
                        " iifname \"wan\" ct state new drop\n }\n}\n";
    Status set = run_nft(rules);
    if (!set.has_value()) FAIL(set.error().message);
  }
  NetnsScope scope = NetnsScope::enter(nodes.places[node].netns).value();
  Links links = Links::open().value();
  REQUIRE(links.remove("uplink").has_value());
  REQUIRE(links.remove("bp").has_value());
  give("behind", "192.168.7.2", 24);
  REQUIRE(links.add_default_route(ip("192.168.7.1")).has_value());
  // What is sent before a link has its carrier is lost, and a handshake comes again only after 5 s.
  REQUIRE(links.wait_operational("behind").has_value());
  wait_for(place_, "lan");
  wait_for(nodes.outside, port_);
}

Nat::~Nat() {
  {
    NetnsScope scope = NetnsScope::enter(nodes_.outside.netns).value();
    static_cast<void>(Links::open().value().remove(port_));
  }
  NetnsScope scope = NetnsScope::enter(place_.netns).value();
  static_cast<void>(Links::open().value().remove("lan"));
}

Sniffer::Sniffer(const Place& place, const std::string& link) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  fd_ = io::Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
  REQUIRE(fd_.is_open());
  int bytes = 16 << 20;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(link.c_str()));
  REQUIRE_NE(address.sll_ifindex, 0);
  REQUIRE_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

std::vector<std::string> Sniffer::packets() {
  std::vector<std::string> out;
  std::string buffer(64 << 10, '\0');
  while (true) {
    ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) return out;
    out.push_back(buffer.substr(0, static_cast<size_t>(got)));
  }
}

bool is_wireguard(const std::string& packet) {
  auto byte = [&](size_t at) { return at < packet.size() ? static_cast<unsigned char>(packet[at]) : 0u; };
  if (byte(0) >> 4 != 4 || byte(9) != IPPROTO_UDP) return false;
  size_t udp = (byte(0) & 15u) * 4;
  bool is_rest = ((byte(6) & 0x1F) << 8 | byte(7)) != 0;  // of a packet that was cut
  if (is_rest) return true;
  auto is_mesh_port = [](unsigned port) { return port >= kMeshPort && port <= kMeshPort + 2; };
  bool has_port = is_mesh_port(byte(udp) << 8 | byte(udp + 1)) || is_mesh_port(byte(udp + 2) << 8 | byte(udp + 3));
  size_t type = udp + 8;
  return has_port && byte(type) >= 1 && byte(type) <= 4 && byte(type + 1) == 0 && byte(type + 2) == 0 && byte(type + 3) == 0;
}

bool is_neighbour_talk(const std::string& packet) {
  auto byte = [&](size_t at) { return at < packet.size() ? static_cast<unsigned char>(packet[at]) : 0u; };
  bool is_arp = packet.size() >= 28 && byte(0) == 0 && byte(1) == 1 && byte(2) == 8 && byte(3) == 0;
  bool is_icmp6 = byte(0) >> 4 == 6 && (byte(6) == IPPROTO_ICMPV6 || byte(6) == IPPROTO_HOPOPTS);
  return is_arp || is_icmp6;
}

PingFlood::PingFlood(const Place& from, const std::string& to, const std::string& interval_s) {
  file_ = "/tmp/mcloud-ping-XXXXXX";
  io::Fd out(::mkostemp(file_.data(), O_CLOEXEC));
  REQUIRE(out.is_open());
  io::Command command;
  command.arguments = {"ping", "-n", "-W", "3", "-i", interval_s, to};
  int netns = from.netns.get();
  command.descriptors = {};
  command.in_child = [netns] {
    if (::setns(netns, CLONE_NEWNET) != 0) ::_exit(126);
  };
  auto child = io::Child::start(command, {.output = out.get(), .errors = out.get()});
  if (!child.has_value()) FAIL(child.error().message);
  child_ = std::move(*child);
}

PingFlood::~PingFlood() { ::unlink(file_.c_str()); }

PingFlood::Count PingFlood::stop() {
  child_->signal(SIGINT);
  REQUIRE(child_->wait(10'000).value().has_value());
  std::string text = io::read_file(file_).value();
  std::set<uint64_t> answered;
  constexpr std::string_view kMark = "icmp_seq=";
  for (size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at + 1)) {
    size_t line_end = text.find('\n', at);
    // What is told of others (unreachable, late) has no time to live.
    if (text.substr(at, line_end - at).find(" ttl=") == std::string::npos) continue;
    answered.insert(std::strtoull(text.c_str() + at + kMark.size(), nullptr, 10));
  }
  REQUIRE_MESSAGE(!answered.empty(), text);
  Count count{.sent = *answered.rbegin(), .received = answered.size()};
  return count;
}

bool ping_at_last(const Place& from, const std::string& to) {
  // WireGuard asks anew when it has heard nothing for 15 s, and only then gives up the interface by which it heard last.
  uint64_t deadline = io::SystemClock().monotonic_ms() + 30'000;
  while (!ping(from, to)) {
    if (io::SystemClock().monotonic_ms() >= deadline) return false;
  }
  return true;
}

bool transfer(const Place& from, const Place& to, const std::string& address, size_t bytes) {
  io::Fd listener = to.socket(AF_INET, SOCK_STREAM);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  REQUIRE_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  REQUIRE_EQ(::listen(listener.get(), 1), 0);
  socklen_t size = sizeof own;
  REQUIRE_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  io::Fd sender = connect_tcp(from, address, ntohs(own.sin_port));
  if (!sender.is_open()) return false;
  // The last packet of the opening may still be on its way.
  pollfd arriving{listener.get(), POLLIN, 0};
  if (::poll(&arriving, 1, 5'000) != 1) return false;
  io::Fd receiver(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  REQUIRE(receiver.is_open());
  std::string block(256 << 10, 'x');
  size_t sent = 0, received = 0;
  uint64_t deadline = io::SystemClock().monotonic_ms() + 60'000;
  while (received < bytes && io::SystemClock().monotonic_ms() < deadline) {
    pollfd waiting[2] = {{receiver.get(), POLLIN, 0}, {sender.get(), static_cast<short>(sent < bytes ? POLLOUT : 0), 0}};
    if (::poll(waiting, 2, 1'000) < 0) return false;
    if ((waiting[1].revents & POLLOUT) != 0) {
      ssize_t done = ::send(sender.get(), block.data(), std::min(block.size(), bytes - sent), MSG_NOSIGNAL);
      if (done > 0) sent += static_cast<size_t>(done);
    }
    if ((waiting[0].revents & POLLIN) != 0) {
      ssize_t done = ::recv(receiver.get(), block.data(), block.size(), 0);
      if (done <= 0) return false;
      received += static_cast<size_t>(done);
    }
  }
  return received == bytes;
}

void set_mtu(const Place& place, const std::string& link, int mtu) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  int index = Links::open().value().get(link).value().index;
  REQUIRE(WireGuardLinks::open().value().set_mtu(index, mtu).has_value());
}

size_t count_wireguard_go() {
  auto link_of = [](const std::string& path) {
    char text[64];
    ssize_t size = ::readlink(path.c_str(), text, sizeof text);
    return std::string(text, size < 0 ? 0 : static_cast<size_t>(size));
  };
  std::string own = link_of("/proc/self/ns/mnt");
  size_t out = 0;
  for (const std::string& name : io::list_folder("/proc").value()) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    auto comm = io::read_file("/proc/" + name + "/comm");
    if (comm.has_value() && *comm == "wireguard-go\n" && link_of("/proc/" + name + "/ns/mnt") == own) ++out;
  }
  return out;
}

}  // namespace mcloud::network
