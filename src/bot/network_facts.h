// What the ledger says of one contract's networks, in one value: for `network show` and `network why`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bot/ledger_view.h"
#include "mcloud/contract.pb.h"

namespace mcloud::bot {

struct NetworkFacts {
  std::string chain_id;
  pb::Contract record;
  pb::ContractHeader header;  // of the version that runs
  pb::ContractBody body;
  std::vector<pb::Workload> workloads;
  std::vector<pb::Node> nodes;
  pb::Relays relays;
  std::map<Bytes, std::string> people;  // names by key
};

// Conflict: nothing of the contract runs. NotFound: the ledger has its body no more.
Result<NetworkFacts> load_network_facts(LedgerView& view, const pb::Contract& contract);

// Look-ups; nullptr when it is not there.
const pb::Node* find_node(const NetworkFacts& facts, BytesView key);
const pb::SpaceGrant* find_grant(const NetworkFacts& facts, std::string_view network);
const pb::NetworkBody* find_network(const NetworkFacts& facts, std::string_view network);
const pb::Replica* find_replica(const NetworkFacts& facts, std::string_view workload, uint32_t index);
// Its address in that network; "" = none.
std::string lease_of(const pb::SpaceGrant& grant, std::string_view workload, uint32_t index);
// What carries it between nodes.
pb::Encryption carrier_of(const NetworkFacts& facts, std::string_view network);

// Requests may go there: it runs and, where that can be asked, says that it is healthy, on a node that is online.
bool serves(const NetworkFacts& facts, const pb::Facets& workload, const pb::Replica& replica);
// "db-0 is unhealthy on n2: ...", "db-0 is on n3, which is fenced".
std::string state_text(const NetworkFacts& facts, const pb::Facets& workload, const pb::Replica& replica);

}  // namespace mcloud::bot
