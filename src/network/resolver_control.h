// Inside this room only: unbound's control protocol over a unix socket. One connection is one command: "UBCT1
// COMMAND\n", lines of data ended by "\x04\n", an answer until it closes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/file.h"
#include "network/resolver_config.h"

namespace mcloud::network {

class ResolverControl {
 public:
  explicit ResolverControl(std::string socket) : socket_(std::move(socket)) {}

  // The answer, at most 64 KiB. Unavailable when nobody listens; TimedOut at `deadline_ms` (SystemClock); Invalid when
  // unbound answers "error ...".
  Result<std::string> ask(const std::string& command, uint64_t deadline_ms) const;
  // Removes the names of `change`, then adds its records. unbound can do both in two commands only; they follow each
  // other so closely that queries within 0.1 ms (measured) are told that there is no such name.
  Status change(Ipv4 client, const ResolverChange& change, uint64_t deadline_ms) const;

 private:
  std::string socket_;
};

// The number in "added 12 datas" / "removed 3 datas" at the end of an answer; Invalid with unbound's words when it is
// not `wanted`.
Status check_resolver_count(const std::string& answer, size_t wanted);

}  // namespace mcloud::network
