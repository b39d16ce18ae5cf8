// Where one bundle (a replica and the replicas that stand with it) shall stand: filter, then score.
// A pure function of its arguments; ties go to the smallest node key, so every validator chooses alike.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// Nodes by key bytes.
using Nodes = std::map<Bytes, pb::Node, std::less<>>;

// How many replicas of all contracts a node holds, by key bytes. An Assignment is one record, read and proven as a
// whole, so there is a bound even for replicas that demand nothing.
using Crowds = std::map<Bytes, uint64_t, std::less<>>;
inline constexpr uint64_t kReplicasPerNodeMax = 4096;

// How many replicas of the same contract a node has already, the bundle itself left out.
struct Neighbours {
  uint32_t replicas = 0;  // of the leading workload
  uint32_t together = 0;  // of workloads it wants to share a node with
  uint32_t apart = 0;     // of those it must not share a node with
};

struct Ask {
  BytesView contract;                                     // id; who holds which claim
  std::vector<const pb::Facets*> members;                 // what stands together; the first one's placement counts
  const std::set<Bytes, std::less<>>* openers = nullptr;  // nodes that can open its secrets; nullptr: it has none
  std::map<Bytes, std::string, std::less<>> excluded;     // nodes not to be tried now, with the reason
  std::map<Bytes, Neighbours, std::less<>> neighbours;
  const Crowds* crowds = nullptr;  // nullptr: nobody holds anything
  BytesView only;                  // this node or none, draining or not; empty: any
};

struct Choice {
  Bytes node;           // empty: no place
  std::string lacking;  // then: which constraint lacks how much
};

Choice choose_node(const Ask& ask, const Nodes& nodes);

// The sum over all members of the bundle.
pb::Demand total_demand(const std::vector<const pb::Facets*>& members);
// On top of what is used there. An empty demand does not fit on a node that gave away more than it has.
bool fits(const pb::Node& node, const pb::Demand& demand);
// nullptr when nobody else holds this name there.
const pb::NodeClaim* foreign_claim(const pb::Node& node, BytesView contract, const pb::Facets& facets);

}  // namespace mcloud::ledger
