// Who did what, and when: read from the ledger's blocks, each verified by its validators' signatures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bot/block_source.h"
#include "bot/ledger_view.h"

namespace mcloud::bot {

struct AuditEvent {
  uint64_t height = 0;
  uint64_t time_ms = 0;  // of the block
  PublicKey who;         // the sender
  std::string what;      // "submit", "approve", "drain-node", ...: stable words
  ContractId contract;   // none when it is not about one
  uint64_t version = 0;  // of the contract, when it is about one
  std::string subject;   // contract, node, farm or identity by name, when it names one
  std::string detail;    // the reason of a rejection, ...
  bool refused = false;  // recorded, but changed nothing
  std::string refusal;   // its code
};

struct AuditOptions {
  std::vector<std::string> endpoints;  // of ledgers that serve blocks
  ContractId contract;                 // none: everything
  uint64_t blocks_max = 100'000;       // newest first when there are more
  bool nodes_too = false;              // what nodes and validators send by themselves (results, suspicions)
};

// Oldest first. Denied when a block is not what the validators signed; a missing block is an error: a history with
// holes is none.
Result<std::vector<AuditEvent>> audit(LedgerView& view, const AuditOptions& options);

// One block to its events; pure. `header` is the verified one: Denied when it does not name these transactions and
// results.
Result<std::vector<AuditEvent>> events_of(const FetchedBlock& fetched, const pb::BlockHeader& header);

}  // namespace mcloud::bot
