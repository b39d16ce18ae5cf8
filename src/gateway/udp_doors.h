// UDP ports of a gateway that lead to targets behind tunnels. Each client's flow is a stream of the tunnel with its datagrams in it
// (tunnel/datagrams.h), opened through the target's socket as HAProxy opens one for a connection.
//
// A flow ends 30 s after its client's last datagram, 120 s once it was answered, as the kernel does with those that go directly. There are
// at most 4,096 of a port; who was silent longest makes room.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ip_prefix.h"
#include "base/result.h"

namespace mcloud::gateway {

struct UdpDoor {
  std::string name;  // of the site's back end: in the access log, and of its figures
  uint16_t port = 0;
  std::vector<IpPrefix> allow;  // who may send; none = everybody
  struct Target {
    std::string name;     // in the access log
    std::string socket;   // path of its unix socket, which may not be there
    uint32_t weight = 1;  // its share of new flows
    bool operator==(const Target&) const = default;
  };
  std::vector<Target> targets;
  bool operator==(const UdpDoor&) const = default;
};

// As of HAProxy's back ends: parse_figures() in runtime.h.
struct UdpFigures {
  uint64_t flows = 0;  // begun
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

// Has a thread of its own; all functions from any thread.
class UdpDoors {
 public:
  struct Limits {
    size_t flows_max = 4'096;  // of a port
    uint64_t unanswered_us = 30'000'000;
    uint64_t answered_us = 120'000'000;
  };
  struct Options {
    std::string address;   // where they listen: as pb::LocalGateway.address ("" = all)
    std::string log_pipe;  // access_log.h; "" = nothing is said
    Limits limits = {};
  };
  static Result<std::unique_ptr<UdpDoors>> start(const Options& options);
  virtual ~UdpDoors() = default;
  // Each has a port of its own. Flows go on while a door has its name and its port. Doors that cannot be opened, by name: "udp port 53: ...";
  // they are tried again at the next put().
  virtual std::map<std::string, std::string> put(const std::vector<UdpDoor>& doors) = 0;
  virtual size_t flows() const = 0;
  // By name, of doors that are open; from the first put() with that name on.
  virtual std::map<std::string, UdpFigures> figures() const = 0;
};

}  // namespace mcloud::gateway
