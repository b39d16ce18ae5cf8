#include "gateway/tunnel/targets.h"

#include "crypto/hash.h"
#include "wire/canonical.h"

namespace mcloud::gateway {
namespace {

// The path of a unix socket has at most 107 bytes, folder and all.
constexpr size_t kWorkloadBytesMax = 24;

// Long names keep their begin, and their hash tells them apart.
std::string short_name(const std::string& workload) {
  if (workload.size() <= kWorkloadBytesMax) return workload;
  return workload.substr(0, kWorkloadBytesMax - 9) + "." + to_hex(crypto::blake2b(workload).view().substr(0, 4));
}

}  // namespace

std::string target_socket_name(const pb::LocalTunnelTarget& target) {
  return to_hex(BytesView(target.contract()).substr(0, 8)) + "-" + short_name(target.workload()) + "-" +
         std::to_string(target.index()) + "-" + std::to_string(target.port()) + (target.udp() ? "-udp" : "");
}

Bytes target_bytes(const pb::LocalTunnelTarget& target) { return wire::encode(target); }

Result<pb::LocalTunnelTarget> parse_target(BytesView bytes) {
  return wire::decode<pb::LocalTunnelTarget>(bytes, "target", 1024);
}

}  // namespace mcloud::gateway
