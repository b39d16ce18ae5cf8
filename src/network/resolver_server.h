// The node's DNS server: unbound, driven. One process per node, in the node's network namespace on kResolverAddress,
// with a view for each network by the source address of its queries. It outlives whoever drives it; who comes later
// finds it by its pid file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network/resolver.h"

namespace mcloud::network {

struct ResolverOptions {
  // Configuration, records, control socket, pid file. Not below a folder that `user` cannot enter: unbound reads its
  // configuration again as that user.
  std::string folder = "/run/mcloud-resolver";
  // Who answers names outside of `internal.`: "192.0.2.1", "2001:db8::1", each with "@PORT" if it is not 53. None: such
  // names are refused.
  std::vector<std::string> upstreams;
  std::string user = "unbound";  // it serves as this one; the caller's own when there is no such user
};

// Invalid: an upstream that is no address. Finds unbound where an earlier one has left it. Needs root (an address on
// lo, port 53). For one thread at a time, always in the network namespace of the node.
Result<std::unique_ptr<Resolver>> open_resolver(const ResolverOptions& options);

}  // namespace mcloud::network
