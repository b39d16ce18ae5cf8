// The end of the tunnel on a node whose workloads are reached from inside out: dials every gateway in pb::LocalTunnel, keeps the
// connections, opens what the gateway asks for and its file allows. docs/reference/tunnel.md.
#pragma once

#include <string>

#include "base/result.h"
#include "crypto/sign.h"

namespace mcloud::gateway {

struct TunnelOptions {
  std::string folder;   // RUNTIME/tunnel: wanted (pb::LocalTunnel), state (pb::TunnelState)
  int connections = 1;  // TCP connections to each gateway
};

// Until SIGTERM or SIGINT. `wanted` is read again when it is replaced; targets that left it end their streams.
Status run_tunnel(const TunnelOptions& options, const crypto::SigningKey& node_key);

}  // namespace mcloud::gateway
