// What can be reached in networks, of whatever kind: a container or a kv. And what else needs addresses in them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "contract/kinds/kind.h"

namespace mcloud::contract {

using NetworkNames = std::optional<std::vector<Text>>;  // unset: the contract's only network, or "default"

struct Reachable {
  const NetworkNames* networks = nullptr;  // borrowed from the workload
  uint32_t replicas = 0;
  std::vector<Port> ports;
};
// Nothing for a workload of another kind.
std::optional<Reachable> reachable(const Workload& workload);
// The ports of signed bytes; none for another kind.
std::vector<pb::Port> ports_of(const pb::WorkloadBody& workload);

// The address spaces it stands in, sorted: what it names, else the contract's only network, else "default".
std::vector<std::string> spaces_of(const Contract& contract, const NetworkNames& networks);
// Each that it names is there.
void check_networks(const Contract& contract, const Workload& workload, const NetworkNames& networks, Report& report);

// What a workload needs of networks: an address in each space for each replica. Containers, kvs, access points, publications
// at gateways.
struct Standing {
  std::vector<std::string> spaces;  // sorted
  uint64_t replicas = 0;
};
Standing standing(const Contract& contract, const Workload& workload);
// Of what is placed; nullptr for what is not.
const Placement* placement_of(const Workload& workload);

}  // namespace mcloud::contract
