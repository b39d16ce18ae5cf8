// Inside this room only: unbound's control protocol over a unix socket. One connection is one command: "UBCT1
// COMMAND\n", lines of data ended by "\x04\n", an answer until it closes.
#pragma once

#include <cstdint>
#include <set>
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
  // Removes the names of `change`, then adds its records. unbound can do both in two commands only, and between them a
  // query would be told that there is no such name, which nobody asks twice. So names that are renewed have a stand-in:
  //
  //   1 the server's own zones get the new records. No view looks there: each has static zones of its own for these names
  //     (resolver_zone_of).
  //   2 this view's become transparent: what they lack is looked for in the server's own.
  //   3 the old records go: from here on the stand-in answers.   4 the new ones come: it does no more.
  //   5 the view's are static again.   6 the stand-in goes.
  //
  // At each moment this view has either all old records or all new ones, and no other view sees the stand-in. The same for
  // names of addresses (PTR), which are renewed when an address changes hands at once; those of 100.64.0.0/10 have none.
  Status change(Ipv4 client, const ResolverChange& change, uint64_t deadline_ms) const;

 private:
  // A command about many lines of which each must count.
  Status tell(const std::string& command, const std::vector<std::string>& lines, uint64_t deadline_ms) const;
  // Of this view.
  Status set_zones(Ipv4 client, const std::set<std::string>& zones, const std::string& type, uint64_t deadline_ms) const;
  Status renew(Ipv4 client, const ResolverChange& change, uint64_t deadline_ms) const;
  std::string socket_;
};

// The number in "added 12 datas" / "removed 3 datas" at the end of an answer; Invalid with unbound's words when it is
// not `wanted`.
Status check_resolver_count(const std::string& answer, size_t wanted);

}  // namespace mcloud::network
