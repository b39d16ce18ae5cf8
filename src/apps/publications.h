// Which ports of the host a local cluster's contracts want, from the ledger's records of nodes. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mcloud/ledger.pb.h"

namespace mcloud::apps {

inline constexpr size_t kPublicationsMax = 256;

struct Publication {
  uint16_t port = 0;
  std::vector<std::string> targets;  // "10.250.0.11:8080", sorted
  bool operator==(const Publication&) const = default;
};
using Publications = std::map<std::string, Publication>;  // by the forward's name (cli/context.h)

// Of each contract, the TCP ports that its workloads hold on nodes with an uplink; at most kPublicationsMax.
Publications publications_of(const std::vector<pb::Node>& nodes);

}  // namespace mcloud::apps
