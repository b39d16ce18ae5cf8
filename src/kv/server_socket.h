// Listening sockets of the kv server, and what is set on each connection.
#pragma once

#include <memory>
#include <string>

#include "io/file.h"
#include "io/tls.h"

namespace mcloud::kv {

struct Listening {
  io::Fd fd;
  uint16_t port = 0;  // 0: a unix socket
  bool is_tls = false;
};

// Invalid: no such address. Conflict: somebody listens there.
Result<Listening> listen_tcp(const std::string& host, uint16_t port);
// A socket file that nobody listens on any more is replaced.
Result<Listening> listen_unix(const std::string& path);

struct Accepted {
  io::Fd fd;
  std::string address;
  std::shared_ptr<const io::TlsContext> tls = nullptr;  // nullptr: bytes as they are
  bool is_local = false;                                // by the unix socket
};
// fd -1: nobody is there. Exhausted: no descriptors are left.
Result<Accepted> accept_one(const Listening& listening);

}  // namespace mcloud::kv
