// Inside this room's tests only: nodes as network namespaces, joined by a backplane and an uplink.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/file.h"
#include "network/machine.h"

namespace mcloud::testing {
class TemporaryFolder;
}

namespace mcloud::network {

// False when this machine or user cannot make namespaces; then the reason has been printed. Moves this process
// into a mount namespace of its own, so that nothing a test mounts outlives it.
bool can_make_networks();

inline Ipv4 ip(const std::string& text) { return Ipv4::parse(text).value(); }

// A namespace, and things to do in it.
struct Place {
  io::Fd netns;
  io::Fd socket(int domain, int type, int protocol = 0) const;
};

// Node i: backplane 172.16.0.i, uplink 10.250.0.(10+i) and 2001:db8::(10+i). The outside world is 10.250.0.1 and
// 2001:db8::1. With a mesh, node i has in its namespace mcloud_mesh the address 198.18.0.(4*i) on "mwg0", bare.
struct Nodes {
  explicit Nodes(size_t count, bool has_mesh = false);
  ~Nodes();
  std::unique_ptr<testing::TemporaryFolder> folder;
  Place backplane, outside, mesh;
  std::vector<Place> places;
  std::vector<std::unique_ptr<Machine>> machines;

  DesiredNetworks base(size_t node) const;
  // The number of steps done.
  size_t apply(size_t node, const DesiredNetworks& desired);
  Place container(size_t node, const std::string& netns) const;
  Place space(size_t node, const std::string& name) const;  // by its name in the folder: "mcloud_net_7", "mcloud_mesh"
  std::string path(size_t node, const std::string& name) const;
  void add_mesh(size_t node);
};

Place make_place();  // with loopback
// Commands of a shell in a place; what they print. Fails the test when they fail.
std::string shell(const Place& place, const std::string& commands);
void give_address(const Place& place, const std::string& link, const std::string& address, int prefix);
// "b" of `two` is the other end of "a" of `one`.
void join(const Place& one, const std::string& a, const Place& two, const std::string& b, int mtu = 1500);
void route_by_default(const Place& place, const std::string& gateway);

// All functions take IPv4 and IPv6 addresses.
// One echo of `size` bytes, an answer within 300 ms.
bool ping(const Place& from, const std::string& to, size_t size = 56);

// A TCP listener in a place; and a connection to one.
class TcpServer {
 public:
  TcpServer(const Place& place, const std::string& address, uint16_t port);
  // Takes one connection, answers `answer` and closes; the peer's address, "" when none came within 300 ms.
  std::string serve(const std::string& answer);
  bool is_waiting() const;
  io::Fd take();  // a connection, within 300 ms

 private:
  io::Fd fd_;
};
// A UDP socket in a place.
class UdpServer {
 public:
  UdpServer(const Place& place, const std::string& address, uint16_t port);
  // Takes one datagram and sends `answer` back; where it came from, "" when none came within 300 ms.
  std::string answer_one(const std::string& answer);

 private:
  io::Fd fd_;
};
// Sends a datagram; the socket to read an answer from.
// Again from where it was sent before.
void send_udp_again(const io::Fd& fd, const std::string& to, uint16_t port, const std::string& text);
io::Fd send_udp(const Place& from, const std::string& to, uint16_t port, const std::string& text,
                const std::string& source = "");
std::string receive_udp(const io::Fd& fd);  // within 300 ms, else ""

// Connects within 300 ms; an open descriptor or none. `source` "" = any.
io::Fd connect_tcp(const Place& from, const std::string& to, uint16_t port, const std::string& source = "");
// `bytes` from one end of a connection to the other within 20 s; how many arrived.
size_t transfer(const io::Fd& from, const io::Fd& to, size_t bytes);
// All it sends until it closes, within 1 s.
std::string read_all(const io::Fd& fd);

}  // namespace mcloud::network
