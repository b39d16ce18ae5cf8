#include "network/machine_fixture.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "network/links.h"
#include "network/netns.h"
#include "testing/temporary_folder.h"

namespace mcloud::network {
namespace {

constexpr int kPatienceMs = 300;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

int domain_of(const std::string& address) { return address.find(':') == std::string::npos ? AF_INET : AF_INET6; }

SocketAddress socket_address(const std::string& address, uint16_t port) {
  SocketAddress out;
  if (domain_of(address) == AF_INET) {
    auto* ipv4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(port);
    out.size = sizeof *ipv4;
    REQUIRE_EQ(::inet_pton(AF_INET, address.c_str(), &ipv4->sin_addr), 1);
  } else {
    // "fe80::1%2": of the second link.
    auto* ipv6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    size_t zone = address.find('%');
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(port);
    if (zone != std::string::npos) ipv6->sin6_scope_id = static_cast<uint32_t>(std::stoul(address.substr(zone + 1)));
    out.size = sizeof *ipv6;
    REQUIRE_EQ(::inet_pton(AF_INET6, address.substr(0, zone).c_str(), &ipv6->sin6_addr), 1);
  }
  return out;
}

std::string address_text(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  const auto* ipv6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  bool is_ipv4 = address.storage.ss_family == AF_INET;
  const void* bytes = is_ipv4 ? static_cast<const void*>(&ipv4->sin_addr) : static_cast<const void*>(&ipv6->sin6_addr);
  ::inet_ntop(address.storage.ss_family, bytes, text, sizeof text);
  return text;
}

bool is_ready(const io::Fd& fd, short events, int patience_ms = kPatienceMs) {
  pollfd waiting{fd.get(), events, 0};
  return ::poll(&waiting, 1, patience_ms) == 1;
}

NetnsScope enter(const Place& place) { return NetnsScope::enter(place.netns).value(); }

// A place that is one bridge, with an address.
Place make_switch(const std::string& address) {
  Place place = make_place();
  {
    NetnsScope scope = enter(place);
    REQUIRE(Links::open().value().add_bridge("switch", "", 1500).has_value());
    REQUIRE(set_net_sysctl("ipv6/conf/all/accept_dad", "0").has_value());
    REQUIRE(set_net_sysctl("ipv6/conf/switch/accept_dad", "0").has_value());
  }
  give_address(place, "switch", address, 24);
  return place;
}

void plug(const Place& middle, const Place& node, const std::string& name, size_t index) {
  NetnsScope scope = enter(middle);
  Links links = Links::open().value();
  std::string port = "port" + std::to_string(index);
  REQUIRE(links.add_veth({.name = port}, {.name = name, .netns = node.netns.get()}).has_value());
  int port_index = links.get(port).value().index;
  REQUIRE(links.set_master(port_index, links.get("switch").value().index).has_value());
  REQUIRE(links.set_up(port_index).has_value());
}

}  // namespace

bool can_make_networks() {
  static const bool can = [] {
    if (::geteuid() != 0) return false;
    return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }();
  if (!can) MESSAGE("skipped: needs root");
  return can;
}

io::Fd Place::socket(int domain, int type, int protocol) const {
  NetnsScope scope = enter(*this);
  io::Fd fd(::socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  REQUIRE(fd.is_open());
  return fd;
}

Place make_place() {
  Place place{create_netns().value()};
  give_address(place, "lo", "127.0.0.1", 8);
  NetnsScope scope = enter(place);
  REQUIRE(set_net_sysctl("ipv6/conf/default/accept_dad", "0").has_value());
  REQUIRE(set_net_sysctl("ipv4/ping_group_range", "0 2147483647").has_value());
  return place;
}

void give_address(const Place& place, const std::string& link_name, const std::string& address, int prefix) {
  NetnsScope scope = enter(place);
  Links links = Links::open().value();
  Link link = links.get(link_name).value();
  bool is_ipv4 = domain_of(address) == AF_INET;
  if (is_ipv4) {
    REQUIRE(links.add_address(link.index, ip(address), prefix).has_value());
  } else {
    REQUIRE(links.add_address6(link.index, Ipv6::parse(address).value(), prefix).has_value());
  }
  REQUIRE(links.set_up(link.index).has_value());
  if (!is_ipv4) REQUIRE(links.wait_address6(Ipv6::parse(address).value()).has_value());
}

std::string shell(const Place& place, const std::string& commands) {
  NetnsScope scope = enter(place);
  FILE* pipe = ::popen(("set -e; " + commands).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char buffer[4096];
  for (size_t got; (got = ::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, got);
  CHECK_MESSAGE(::pclose(pipe) == 0, commands);
  return out;
}

void join(const Place& one, const std::string& a, const Place& two, const std::string& b, int mtu) {
  NetnsScope scope = enter(one);
  Links links = Links::open().value();
  REQUIRE(links.add_veth({.name = a, .mtu = mtu}, {.name = b, .mtu = mtu, .netns = two.netns.get()}).has_value());
}

void route_by_default(const Place& place, const std::string& gateway) {
  NetnsScope scope = enter(place);
  Links links = Links::open().value();
  Status routed = domain_of(gateway) == AF_INET ? links.add_default_route(ip(gateway))
                                                : links.add_default_route6(Ipv6::parse(gateway).value());
  REQUIRE_MESSAGE(routed.has_value(), routed.error().message);
}

Nodes::Nodes(size_t count, bool has_mesh)
    : folder(std::make_unique<testing::TemporaryFolder>()),
      backplane(make_switch("172.16.0.254")),
      outside(make_switch("10.250.0.1")),
      mesh(make_switch("198.18.0.254")) {
  give_address(outside, "switch", "2001:db8::1", 64);
  for (size_t i = 1; i <= count; ++i) {
    places.push_back(make_place());
    plug(backplane, places.back(), "bp", i);
    plug(outside, places.back(), "uplink", i);
    give_address(places.back(), "bp", "172.16.0." + std::to_string(i), 24);
    give_address(places.back(), "uplink", "10.250.0." + std::to_string(10 + i), 24);
    give_address(places.back(), "uplink", "2001:db8::" + std::to_string(10 + i), 64);
    machines.push_back(Machine::open({*folder / ("netns" + std::to_string(i))}).value());
    if (has_mesh) add_mesh(i - 1);
  }
}

void Nodes::add_mesh(size_t node) {
  Place place = make_place();
  plug(mesh, place, "mwg0", node + 1);
  give_address(place, "mwg0", "198.18.0." + std::to_string(4 * (node + 1)), 24);
  REQUIRE(pin_netns(place.netns, path(node, "mcloud_mesh")).has_value());
}

Nodes::~Nodes() {
  for (size_t i = 0; i < places.size(); ++i) {
    NetnsScope scope = enter(places[i]);
    static_cast<void>(machines[i]->apply({}));
    static_cast<void>(unpin_netns(path(i, "mcloud_mesh")));
  }
}

DesiredNetworks Nodes::base(size_t node) const {
  DesiredNetworks desired;
  desired.backplane = ip("172.16.0." + std::to_string(node + 1));
  desired.uplink = "uplink";
  desired.forbidden = {Range::parse("172.16.0.0/24").value()};
  return desired;
}

size_t Nodes::apply(size_t node, const DesiredNetworks& desired) {
  NetnsScope scope = enter(places[node]);
  auto done = machines[node]->apply(desired);
  if (!done.has_value()) FAIL(done.error().message);
  return *done;
}

std::string Nodes::path(size_t node, const std::string& name) const {
  return *folder / ("netns" + std::to_string(node + 1)) + "/" + name;
}

Place Nodes::space(size_t node, const std::string& name) const { return {open_netns(path(node, name)).value()}; }
Place Nodes::container(size_t node, const std::string& netns) const { return space(node, "mcloud-" + netns); }

bool ping(const Place& from, const std::string& to, size_t size) {
  bool is_ipv4 = domain_of(to) == AF_INET;
  io::Fd fd = from.socket(domain_of(to), SOCK_DGRAM, is_ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6});
  SocketAddress address = socket_address(to, 0);
  std::string packet(sizeof(icmphdr) + size, 'x');
  icmphdr header{};  // an ICMPv6 echo has the same shape
  header.type = is_ipv4 ? ICMP_ECHO : 128;
  packet.replace(0, sizeof header, reinterpret_cast<char*>(&header), sizeof header);
  if (::sendto(fd.get(), packet.data(), packet.size(), 0, address.get(), address.size) < 0) return false;
  return is_ready(fd, POLLIN) &&
         ::recv(fd.get(), packet.data(), packet.size(), 0) == static_cast<ssize_t>(packet.size());
}

TcpServer::TcpServer(const Place& place, const std::string& address, uint16_t port)
    : fd_(place.socket(domain_of(address), SOCK_STREAM)) {
  int on = 1;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (domain_of(address) == AF_INET6) ::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  SocketAddress own = socket_address(address, port);
  REQUIRE_EQ(::bind(fd_.get(), own.get(), own.size), 0);
  REQUIRE_EQ(::listen(fd_.get(), 16), 0);
}

bool TcpServer::is_waiting() const { return is_ready(fd_, POLLIN, 0); }

io::Fd TcpServer::take() {
  if (!is_ready(fd_, POLLIN)) return {};
  return io::Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

size_t transfer(const io::Fd& from, const io::Fd& to, size_t bytes) {
  std::string block(256 << 10, 'x');
  size_t sent = 0, received = 0;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (received < bytes && std::chrono::steady_clock::now() < deadline) {
    pollfd ends[2] = {{from.get(), static_cast<short>(sent < bytes ? POLLOUT : 0), 0}, {to.get(), POLLIN, 0}};
    if (::poll(ends, 2, 1000) < 0) break;
    if ((ends[0].revents & POLLOUT) != 0) {
      ssize_t put = ::send(from.get(), block.data(), std::min(block.size(), bytes - sent), MSG_NOSIGNAL);
      if (put > 0) sent += static_cast<size_t>(put);
    }
    if ((ends[1].revents & POLLIN) != 0) {
      ssize_t got = ::recv(to.get(), block.data(), block.size(), 0);
      if (got <= 0) break;
      received += static_cast<size_t>(got);
    }
  }
  return received;
}

std::string TcpServer::serve(const std::string& answer) {
  if (!is_ready(fd_, POLLIN)) return "";
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  io::Fd client(::accept4(fd_.get(), peer.get(), &peer.size, SOCK_CLOEXEC));
  CHECK_EQ(::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
  return address_text(peer);
}

UdpServer::UdpServer(const Place& place, const std::string& address, uint16_t port)
    : fd_(place.socket(domain_of(address), SOCK_DGRAM)) {
  int on = 1;
  if (domain_of(address) == AF_INET6) ::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  SocketAddress own = socket_address(address, port);
  REQUIRE_EQ(::bind(fd_.get(), own.get(), own.size), 0);
}

std::string UdpServer::answer_one(const std::string& answer) {
  if (!is_ready(fd_, POLLIN)) return "";
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  char buffer[2048];
  REQUIRE_GE(::recvfrom(fd_.get(), buffer, sizeof buffer, 0, peer.get(), &peer.size), 0);
  CHECK_EQ(::sendto(fd_.get(), answer.data(), answer.size(), 0, peer.get(), peer.size), static_cast<ssize_t>(answer.size()));
  return address_text(peer);
}

io::Fd send_udp(const Place& from, const std::string& to, uint16_t port, const std::string& text,
                const std::string& source) {
  io::Fd fd = from.socket(domain_of(to), SOCK_DGRAM);
  SocketAddress own = socket_address(source.empty() ? "0.0.0.0" : source, 0);
  if (!source.empty()) REQUIRE_EQ(::bind(fd.get(), own.get(), own.size), 0);
  SocketAddress address = socket_address(to, port);
  static_cast<void>(::sendto(fd.get(), text.data(), text.size(), 0, address.get(), address.size));
  return fd;
}

void send_udp_again(const io::Fd& fd, const std::string& to, uint16_t port, const std::string& text) {
  SocketAddress address = socket_address(to, port);
  static_cast<void>(::sendto(fd.get(), text.data(), text.size(), 0, address.get(), address.size));
}

std::string receive_udp(const io::Fd& fd) {
  char buffer[2048];
  ssize_t got = is_ready(fd, POLLIN) ? ::recv(fd.get(), buffer, sizeof buffer, 0) : -1;
  return got < 0 ? std::string() : std::string(buffer, static_cast<size_t>(got));
}

io::Fd connect_tcp(const Place& from, const std::string& to, uint16_t port, const std::string& source) {
  io::Fd fd = from.socket(domain_of(to), SOCK_STREAM);
  if (!source.empty()) {
    SocketAddress own = socket_address(source, 0);
    REQUIRE_EQ(::bind(fd.get(), own.get(), own.size), 0);
  }
  SocketAddress address = socket_address(to, port);
  if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) return {};
  int error = 0;
  socklen_t size = sizeof error;
  bool answered = is_ready(fd, POLLOUT) && ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0;
  return answered && error == 0 ? std::move(fd) : io::Fd();
}

std::string read_all(const io::Fd& fd) {
  std::string out;
  char buffer[64 << 10];
  while (fd.is_open() && is_ready(fd, POLLIN, 1000)) {
    ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got <= 0) break;
    out.append(buffer, static_cast<size_t>(got));
  }
  return out;
}

}  // namespace mcloud::network
