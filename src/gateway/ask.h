// A question to HAProxy's sockets and its answer: runtime API and master. Blocking, with a deadline and a bound.
#pragma once

#include <string>

#include "base/result.h"

namespace mcloud::gateway {

// One command, or several joined by ';'. Unavailable when nobody listens or the answer is cut, TimedOut past the deadline,
// Exhausted when the answer is larger than 64 MiB.
Result<std::string> ask(const std::string& socket_path, const std::string& command, uint64_t timeout_ms = 5'000);

}  // namespace mcloud::gateway
