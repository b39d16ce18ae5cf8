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
  io::Fd socket(int type, int protocol = 0) const;
};

// Node i: backplane 172.16.0.i, uplink 10.250.0.(10+i). The outside world is 10.250.0.1.
struct Nodes {
  explicit Nodes(size_t count);
  ~Nodes();
  std::unique_ptr<testing::TemporaryFolder> folder;
  Place backplane, outside;
  std::vector<Place> places;
  std::vector<std::unique_ptr<Machine>> machines;

  DesiredNetworks base(size_t node) const;
  // The number of steps done.
  size_t apply(size_t node, const DesiredNetworks& desired);
  Place container(size_t node, const std::string& netns) const;
};

// One echo of `size` bytes, an answer within 300 ms.
bool ping(const Place& from, const std::string& to, size_t size = 56);

// A TCP listener in a place; and a connection to one.
class TcpServer {
 public:
  TcpServer(const Place& place, const std::string& address, uint16_t port);
  // Takes one connection, answers `answer` and closes; the peer's address, "" when none came within 300 ms.
  std::string serve(const std::string& answer);
  bool is_waiting() const;

 private:
  io::Fd fd_;
};
// Connects within 300 ms; an open descriptor or none. `source` "" = any.
io::Fd connect_tcp(const Place& from, const std::string& to, uint16_t port, const std::string& source = "");
// All it sends until it closes, within 1 s.
std::string read_all(const io::Fd& fd);

}  // namespace mcloud::network
