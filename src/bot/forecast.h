// Where a contract's replicas would stand if it were approved now: the ledger's own placement function, asked
// replica by replica over a copy of the nodes. A forecast, not a promise: others may place something meanwhile. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "mcloud/contract.pb.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::bot {

struct Forecast {
  std::string workload;
  uint32_t index = 0;
  Bytes node;           // empty: no place
  bool stays = false;   // it stands there already
  std::string lacking;  // with no place: which constraint lacks how much
};

// `existing`: the contract's workloads as they stand now (empty for a new one). `readers`: who can open its secrets.
std::vector<Forecast> forecast(const ContractId& id, const pb::ContractHeader& header,
                               const std::vector<pb::Node>& nodes, const std::vector<pb::Workload>& existing,
                               const std::vector<NodeId>& readers);

// Every node that some placed workload of the contract may ever stand on: whom its secrets are sealed for. Nodes that
// are offline, draining or full count: they may come back.
std::vector<NodeId> eligible_nodes(const pb::ContractHeader& header, const std::vector<pb::Node>& nodes);

}  // namespace mcloud::bot
