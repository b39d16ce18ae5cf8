// Who did what, and when: read from the ledger's blocks, each verified by its validators' signatures.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bot/block_source.h"
#include "bot/ledger_view.h"
#include "ledger/client/verify.h"

namespace mcloud::bot {

struct AuditEvent {
  uint64_t height = 0;
  uint64_t time_ms = 0;  // of the block
  PublicKey who;         // the sender
  std::string what;      // "submit", "approve", "drain-node", ...: stable words
  ContractId contract;   // none when it is not about one
  uint64_t version = 0;  // of the contract, when it is about one
  std::string subject;   // contract, node (hex), farm or identity by name, when it names one
  std::string detail;    // the reason of a rejection, ...
  bool refused = false;  // recorded, but changed nothing
  std::string refusal;   // its code
  Hash transaction;      // of the SignedTransaction's bytes
};

struct AuditOptions {
  std::vector<std::string> endpoints;  // of ledgers that serve blocks
  ContractId contract;                 // none: everything
  PublicKey who;                       // none: anybody
  Bytes node;                          // "": any; else what it sent and what was said of it
  uint64_t from = 0;                   // not below this height
  uint64_t since_ms = 0;               // block time
  uint64_t until_ms = UINT64_MAX;
  uint64_t blocks_max = 100'000;  // newest first when there are more
  bool nodes_too = false;         // what nodes and validators send by themselves (results, suspicions)
  std::function<void(uint64_t height, uint64_t top)> progress = [](uint64_t, uint64_t) {};
};

// Oldest first. Denied when a block is not what the validators signed; a missing block is an error: a history with
// holes is none.
Result<std::vector<AuditEvent>> audit(LedgerView& view, const AuditOptions& options);

// The same walk for those who want the blocks, too: `visit` gets every verified block that has events which fit, with
// them and their transactions' places in it; an error of its ends the walk. Returns the newest height that was looked at (that of
// the verified head): who wants what comes later goes on from the next.
struct AuditedBlock {
  const FetchedBlock& fetched;
  const ledger::VerifiedHead& head;
  std::vector<AuditEvent> events;
  std::vector<uint32_t> places;  // of each event
};
Result<uint64_t> walk_history(LedgerView& view, const AuditOptions& options, const std::function<Status(AuditedBlock&&)>& visit);

// One transaction as an event; nullopt when it does not decode (refused by every validator; it names nobody). Pure.
std::optional<AuditEvent> event_of(BytesView signed_transaction, uint8_t result, const pb::BlockHeader& header);

// Contracts by name: what an event of a submission says, and gives to later events of the same contract.
class ContractNames {
 public:
  void learn(const ContractId& contract, const std::string& name) { names_[contract] = name; }
  void apply(AuditEvent& event);

 private:
  std::map<ContractId, std::string> names_;
};

// One block to its events; pure. `header` is the verified one: Denied when it does not name these transactions and
// results.
Result<std::vector<AuditEvent>> events_of(const FetchedBlock& fetched, const pb::BlockHeader& header);

}  // namespace mcloud::bot
