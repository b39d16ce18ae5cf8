// Targets as bytes and as the names of their sockets.
#pragma once

#include <string>

#include "base/bytes.h"
#include "gateway/tunnel/tunnel_server.h"

namespace mcloud::gateway {

// What is announced: the target's canonical encoding.
Bytes target_bytes(const pb::LocalTunnelTarget& target);
Result<pb::LocalTunnelTarget> parse_target(BytesView bytes);

}  // namespace mcloud::gateway
