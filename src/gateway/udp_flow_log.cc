#include "gateway/udp_flow_log.h"

#include "gateway/udp_socket.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;

std::string field(std::string_view name, uint64_t value) { return ",\"" + std::string(name) + "\":" + std::to_string(value); }

std::string fields(const UdpCounts& counts) {
  return field("bytes_in", counts.bytes_in) + field("bytes_out", counts.bytes_out) + field("datagrams_in", counts.datagrams_in) +
         field("datagrams_out", counts.datagrams_out) + field("dropped", counts.dropped);
}

std::string client_fields(const sockaddr_storage& client) {
  bool is_v6 = client.ss_family == AF_INET6;
  in_port_t port = is_v6 ? reinterpret_cast<const sockaddr_in6&>(client).sin6_port : reinterpret_cast<const sockaddr_in&>(client).sin_port;
  return "\"client\":\"" + ip_of(client).text() + "\"" + field("client_port", ntohs(port));
}

}  // namespace

void UdpCounts::add(const UdpCounts& other) {
  datagrams_in += other.datagrams_in;
  datagrams_out += other.datagrams_out;
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  dropped += other.dropped;
}

void UdpFlowLog::add(const UdpFlowEnd& flow, uint64_t now_us) {
  tick(now_us);
  bool may_say = said_ < kLinesMax;
  std::string line = name_ + " {" + client_fields(flow.client) + field("port", port_) + fields(flow.counts) + field("ms", flow.ms) +
                     ",\"server\":\"" + std::string(flow.server) + "\",\"end\":\"" + std::string(flow.why) + "\"}\n";
  if (may_say && say_(line)) {
    ++said_;
    return;
  }
  ++unsaid_;
  sums_.add(flow.counts);
}

void UdpFlowLog::tick(uint64_t now_us) {
  if (now_us < second_us_ + kSecondUs) return;
  second_us_ = now_us;
  said_ = 0;
  say_sums();
}

void UdpFlowLog::say_sums() {
  if (unsaid_ == 0) return;
  if (!say_(name_ + " {\"flows\":" + std::to_string(unsaid_) + field("port", port_) + fields(sums_) + ",\"end\":\"many\"}\n")) return;
  unsaid_ = 0;
  sums_ = {};
}

}  // namespace mcloud::gateway
