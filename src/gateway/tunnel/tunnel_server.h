// The end of the tunnel on a gateway: takes connections of nodes that pb::LocalGateway.tunnels names, and offers each of their
// targets as a unix socket, a server of HAProxy. docs/reference/tunnel.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "crypto/sign.h"
#include "mcloud/gateway.pb.h"

namespace mcloud::gateway {

// "0123456789abcdef-web-0-8080": a target's socket in the targets folder.
std::string target_socket_name(const pb::LocalTunnelTarget& target);

// Runs on threads of its own; all functions from any thread.
class TunnelServer {
 public:
  struct Options {
    std::string address;          // "" = all, IPv4 and IPv6
    uint16_t port = 0;            // 0 = any
    std::string targets_folder;   // unix sockets, 0770 and of `group`, so that HAProxy's user may connect
    std::string group;            // "" = ours
  };
  // `node_key` is borrowed.
  static Result<std::unique_ptr<TunnelServer>> start(const Options& options, const crypto::SigningKey& node_key);
  virtual ~TunnelServer() = default;
  virtual uint16_t port() const = 0;
  // Who may come, with what. A node that left is cut off; targets that left lose their socket.
  virtual void set_peers(const std::vector<pb::LocalTunnelPeer>& peers) = 0;
  virtual std::vector<pb::TunnelLink> links() const = 0;
  // Names of target sockets that lead somewhere now.
  virtual std::vector<std::string> reachable() const = 0;
};

}  // namespace mcloud::gateway
