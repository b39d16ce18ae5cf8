// The kv server on the network: TCP and unix sockets, some loops in threads of their own, each connection in one of
// them.
#pragma once

#include <memory>
#include <string>

#include "kv/server_state.h"

namespace mcloud::kv {

struct ServerOptions {
  std::string host = "127.0.0.1";  // empty: no TCP
  uint16_t port = 0;               // 0: any free one
  std::string socket_path;         // empty: no unix socket
  size_t threads = 1;
  size_t connections_max = 4096;
  uint64_t half_request_ms = 30'000;  // a request that does not go on so long ends its connection
  uint64_t unread_ms = 60'000;        // so do replies that nobody reads
  ServiceOptions service;
};

class Server {
 public:
  // All are borrowed and outlive it. Listens when it returns.
  static Result<std::unique_ptr<Server>> start(Store& store, Disk& disk, Clock& clock, Random& random,
                                               const ServerOptions& options);
  virtual ~Server() = default;
  // Ends all connections. What was acknowledged is kept; close the store for the rest.
  virtual void stop() = 0;
  virtual uint16_t port() const = 0;  // 0: no TCP
  virtual ServerState& state() = 0;
};

}  // namespace mcloud::kv
