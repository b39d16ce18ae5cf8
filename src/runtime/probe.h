// One question to a container: does it answer? Asked inside its network namespace, so no address of it need
// be reachable from here. Blocking, from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"

namespace mcloud::runtime {

class Runtime;

struct HttpProbe {
  std::string address = "127.0.0.1";  // IPv4 in the container's network namespace
  uint16_t port = 0;
  std::string path = "/";
};
struct TcpProbe {
  std::string address = "127.0.0.1";
  uint16_t port = 0;
};
struct ExecProbe {
  std::vector<std::string> arguments;
};
using Probe = std::variant<HttpProbe, TcpProbe, ExecProbe>;

// Ok when it answered: HTTP status 200 to 399, a TCP connection, exit code 0. Otherwise an error that says
// what came instead (Unavailable), or TimedOut.
Status run_probe(Runtime& runtime, const std::string& id, const Probe& probe, uint64_t timeout_ms);

}  // namespace mcloud::runtime
