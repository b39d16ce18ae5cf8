// Flows of UDP ports in the access log: one line at each one's end, as HAProxy writes one for a connection.
//
// A flow costs a stranger one datagram with an address of his choice. So a port says at most kLinesMax lines a second; what was not
// said, and what found no room in the pipe, is in the sums of one more line.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mcloud::gateway {

struct UdpCounts {
  uint64_t datagrams_in = 0, datagrams_out = 0;  // in: from strangers
  uint64_t bytes_in = 0, bytes_out = 0;          // of their payloads
  uint64_t dropped = 0;                          // datagrams that found no room; they are in no other figure
  void add(const UdpCounts& other);
};

struct UdpFlowEnd {
  sockaddr_storage client = {};
  std::string_view server;
  UdpCounts counts;
  uint64_t ms = 0;       // from the first datagram to the last
  std::string_view why;  // docs/reference/gateway.md, Access log
};

// Of one port. One thread.
class UdpFlowLog {
 public:
  static constexpr uint32_t kLinesMax = 1'000;
  // `say` takes a line with its end; false: it is lost.
  using Say = std::function<bool(std::string_view line)>;
  // `name` is the back end's, by which the reader of the log finds the site.
  UdpFlowLog(std::string name, uint16_t port, Say say) : name_(std::move(name)), port_(port), say_(std::move(say)) {}
  void add(const UdpFlowEnd& flow, uint64_t now_us);
  // Says the sums when their second is over: call it often.
  void tick(uint64_t now_us);
  void say_sums();

 private:
  const std::string name_;
  const uint16_t port_;
  const Say say_;
  uint64_t second_us_ = 0;  // when it began
  uint32_t said_ = 0;       // lines in it
  uint64_t unsaid_ = 0;     // flows
  UdpCounts sums_;          // of them
};

}  // namespace mcloud::gateway
