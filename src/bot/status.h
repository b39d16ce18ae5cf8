// What a contract is doing, in one value: for `status`, for progress, for the dashboard later.
#pragma once

#include <string>
#include <vector>

#include "bot/ledger_view.h"
#include "contract/approval.h"

namespace mcloud::bot {

struct ReplicaStatus {
  std::string workload;
  std::string kind;
  uint32_t index = 0;
  pb::ReplicaState state = pb::REPLICA_UNSET;
  bool ready = false;  // healthy, or running without a health check, or completed; of the version that is to run
  Bytes node;          // empty: unplaced
  std::string node_name;
  uint64_t epoch = 0;
  uint64_t version = 0;
  uint32_t restarts = 0;
  uint64_t since_ms = 0;  // block time
  std::string message;
  std::string role;    // of a member of a replica set: "primary", "voter" (its copy counts), "copy"; else ""
  std::vector<pb::LeasedAddress> addresses;

  std::string name() const { return workload + "-" + std::to_string(index); }
};

// Replicas of one stateful thing: who leads, whose copies count.
struct SetStatus {
  std::string workload;
  uint64_t term = 0;
  std::string primary;               // "db-0"; "" while electing
  std::vector<std::string> voters;   // by index
  std::vector<std::string> partial;  // whose copies are in the making
  uint32_t copies = 0;               // what is acknowledged is on at least so many voters
  uint64_t since_ms = 0;             // of the primary, or of the election; block time
  std::string message;               // while electing: who is waited for
};

struct PublishedPort {
  std::string protocol;  // "tcp" or "udp"
  uint32_t port = 0;
  std::string workload;
  std::string kind;  // of the workload
  struct Where {
    std::string node_name;
    std::string address;  // uplink
    bool ready = false;  // it gets requests: of a replica set only the primary does
  };
  std::vector<Where> where;  // nodes that run a replica of it
};

// A name that the contract has at gateways.
struct PublicName {
  std::string name;      // as it is owned: "shop"
  std::string workload;
  struct Host {
    std::string host;    // "shop.gw.example"
    uint32_t http_port = 0;
    std::string node_name;
    bool ready = false;
  };
  std::vector<Host> hosts;  // one per gateway that it stands on
};

enum class Condition {
  Waiting,   // approvals are missing
  Starting,  // approved, not all ready yet
  Ready,
  Degraded,  // some replica of what was ready is not
  Stuck,     // a replica has no node left to try, or finds no place: `why`
  Ended,     // rejected, cancelled, expired
};

struct ContractStatus {
  pb::Contract record;
  ContractId id;
  uint64_t version = 0;  // that runs or, before the first approval, waits
  pb::ContractState state = pb::CONTRACT_UNSET;
  Condition condition = Condition::Waiting;
  std::string why;     // one line; "" when ready
  uint32_t ready = 0;  // replicas
  uint32_t wanted = 0;
  std::vector<ReplicaStatus> replicas;  // sorted by workload and index
  std::vector<SetStatus> sets;          // sorted by workload
  std::vector<PublishedPort> published;
  std::vector<PublicName> names;       // sorted by workload and name
  bool has_proposal = false;           // a version waits for approvals
  contract::ApprovalTally approvals;   // of the proposal, else of the version that runs
  contract::ApprovalTally acceptance;  // of the version that runs
};

Result<ContractStatus> contract_status(LedgerView& view, const pb::Contract& contract);
// The pure half. `workloads` as the ledger has them; `node_name` is for display.
Result<ContractStatus> summarize(const pb::Contract& contract, const std::vector<pb::Workload>& workloads,
                                 const std::vector<pb::Node>& nodes);

std::string_view condition_name(Condition condition);         // "ready": stable words, also in JSON
std::string_view replica_state_name(pb::ReplicaState state);  // "preparing"
std::string_view contract_state_name(pb::ContractState state);
std::string_view node_state_name(const pb::Node& node);  // "online", "draining", "fenced", "fenced, held"

}  // namespace mcloud::bot
