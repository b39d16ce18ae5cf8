// UDP ports of a gateway that lead to targets behind tunnels. Each client's flow is a stream of the tunnel with its datagrams in it
// (tunnel/datagrams.h), opened through the target's socket as HAProxy opens one for a connection.
//
// A flow ends 30 s after its client's last datagram, 120 s once it was answered, as the kernel does with those that go directly. There are
// at most 4,096 of a port; who was silent longest makes room.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::gateway {

struct UdpDoor {
  uint16_t port = 0;
  std::vector<std::string> allow;  // ranges (words.h: is_cidr) that may send; none = everybody
  struct Target {
    std::string socket;   // path of its unix socket, which may not be there
    uint32_t weight = 1;  // its share of new flows
    bool operator==(const Target&) const = default;
  };
  std::vector<Target> targets;
  bool operator==(const UdpDoor&) const = default;
};

// Has a thread of its own; all functions from any thread.
class UdpDoors {
 public:
  struct Limits {
    size_t flows_max = 4'096;  // of a port
    uint64_t unanswered_us = 30'000'000;
    uint64_t answered_us = 120'000'000;
  };
  // They listen on `address`: as pb::LocalGateway.address ("" = all).
  static Result<std::unique_ptr<UdpDoors>> start(std::string address, const Limits& limits);
  static Result<std::unique_ptr<UdpDoors>> start(std::string address) { return start(std::move(address), Limits()); }
  virtual ~UdpDoors() = default;
  // Flows of ports that stay go on. Ports that cannot be had: "udp port 53: ..." ("" = all are there); they are tried again at the next put().
  virtual std::string put(const std::vector<UdpDoor>& doors) = 0;
  virtual size_t flows() const = 0;
};

}  // namespace mcloud::gateway
