// The kv server on the network: TCP and unix sockets, some loops in threads of their own, each connection in one of
// them.
#pragma once

#include <memory>
#include <string>

#include "io/tls.h"
#include "kv/replication/replication.h"

namespace mcloud::kv {

struct ServerOptions {
  std::string host = "127.0.0.1";  // empty: no TCP
  uint16_t port = 0;               // 0: any free one
  std::string socket_path;         // empty: no unix socket
  size_t threads = 1;
  size_t connections_max = 4096;
  uint64_t half_request_ms = 30'000;  // a request that does not go on so long ends its connection
  uint64_t unread_ms = 60'000;        // so do replies that nobody reads
  io::TlsFiles tls;                   // no certificate: no TLS
  std::string tls_host = "127.0.0.1";
  uint16_t tls_port = 0;              // 0: any free one
  uint64_t handshake_ms = 10'000;     // for a whole TLS handshake
  size_t handshakes_max = 512;        // half ones in a loop; one more ends the oldest
  bool has_metrics = false;           // GET /metrics, by HTTP
  std::string metrics_host = "127.0.0.1";
  uint16_t metrics_port = 0;          // 0: any free one
  ReplicationOptions replication;
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
  virtual uint16_t tls_port() const = 0;
  virtual uint16_t metrics_port() const = 0;
  // Reads the files again; connections from now on use them. After an error the old ones stay in use.
  virtual Status reload_tls() = 0;
  virtual ServerState& state() = 0;
};

}  // namespace mcloud::kv
