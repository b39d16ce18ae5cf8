#include "network/machine_fixture.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "network/links.h"
#include "network/netns.h"
#include "testing/temporary_folder.h"

namespace mcloud::network {
namespace {

constexpr int kPatienceMs = 300;

sockaddr_in socket_address(const std::string& address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  REQUIRE_EQ(::inet_pton(AF_INET, address.c_str(), &out.sin_addr), 1);
  return out;
}

bool is_ready(const io::Fd& fd, short events, int patience_ms = kPatienceMs) {
  pollfd waiting{fd.get(), events, 0};
  return ::poll(&waiting, 1, patience_ms) == 1;
}

NetnsScope enter(const Place& place) { return NetnsScope::enter(place.netns).value(); }

void give_address(const Place& place, const std::string& link_name, const std::string& address, int prefix) {
  NetnsScope scope = enter(place);
  Links links = Links::open().value();
  Link link = links.get(link_name).value();
  REQUIRE(links.add_address(link.index, ip(address), prefix).has_value());
  REQUIRE(links.set_up(link.index).has_value());
}

// A place that is one bridge, with an address.
Place make_switch(const std::string& address) {
  Place place{create_netns().value()};
  {
    NetnsScope scope = enter(place);
    REQUIRE(Links::open().value().add_bridge("switch", "", 1500).has_value());
  }
  give_address(place, "switch", address, 24);
  give_address(place, "lo", "127.0.0.1", 8);
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

io::Fd Place::socket(int type, int protocol) const {
  NetnsScope scope = enter(*this);
  io::Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  REQUIRE(fd.is_open());
  return fd;
}

Nodes::Nodes(size_t count)
    : folder(std::make_unique<testing::TemporaryFolder>()),
      backplane(make_switch("172.16.0.254")),
      outside(make_switch("10.250.0.1")) {
  for (size_t i = 1; i <= count; ++i) {
    places.push_back({create_netns().value()});
    plug(backplane, places.back(), "bp", i);
    plug(outside, places.back(), "uplink", i);
    give_address(places.back(), "lo", "127.0.0.1", 8);
    give_address(places.back(), "bp", "172.16.0." + std::to_string(i), 24);
    give_address(places.back(), "uplink", "10.250.0." + std::to_string(10 + i), 24);
    {
      NetnsScope scope = enter(places.back());
      REQUIRE(set_net_sysctl("ipv4/ping_group_range", "0 2147483647").has_value());
    }
    machines.push_back(Machine::open({*folder / ("netns" + std::to_string(i))}).value());
  }
}

Nodes::~Nodes() {
  for (size_t i = 0; i < places.size(); ++i) {
    NetnsScope scope = enter(places[i]);
    static_cast<void>(machines[i]->apply({}));
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

Place Nodes::container(size_t node, const std::string& netns) const {
  return {open_netns(machines[node]->netns_path(netns)).value()};
}

bool ping(const Place& from, const std::string& to, size_t size) {
  io::Fd fd = from.socket(SOCK_DGRAM, IPPROTO_ICMP);
  sockaddr_in address = socket_address(to, 0);
  std::string packet(sizeof(icmphdr) + size, 'x');
  icmphdr header{};
  header.type = ICMP_ECHO;
  packet.replace(0, sizeof header, reinterpret_cast<char*>(&header), sizeof header);
  if (::sendto(fd.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    return false;
  }
  return is_ready(fd, POLLIN) &&
         ::recv(fd.get(), packet.data(), packet.size(), 0) == static_cast<ssize_t>(packet.size());
}

TcpServer::TcpServer(const Place& place, const std::string& address, uint16_t port) : fd_(place.socket(SOCK_STREAM)) {
  int on = 1;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in own = socket_address(address, port);
  REQUIRE_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  REQUIRE_EQ(::listen(fd_.get(), 16), 0);
}

bool TcpServer::is_waiting() const { return is_ready(fd_, POLLIN, 0); }

std::string TcpServer::serve(const std::string& answer) {
  if (!is_ready(fd_, POLLIN)) return "";
  sockaddr_in peer{};
  socklen_t size = sizeof peer;
  io::Fd client(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
  CHECK_EQ(::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
  return Ipv4{ntohl(peer.sin_addr.s_addr)}.text();
}

io::Fd connect_tcp(const Place& from, const std::string& to, uint16_t port, const std::string& source) {
  io::Fd fd = from.socket(SOCK_STREAM);
  if (!source.empty()) {
    sockaddr_in own = socket_address(source, 0);
    REQUIRE_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  }
  sockaddr_in address = socket_address(to, port);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
    return {};
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
