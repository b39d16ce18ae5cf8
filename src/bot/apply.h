// From a draft to a contract that runs: blobs, submission, the approvals that can be given here, and waiting.
#pragma once

#include "bot/draft.h"
#include "bot/follow.h"

namespace mcloud::bot {

struct ApplyOptions {
  std::string owner;                    // name of the local key that owns the contract
  bool approve_own = true;              // sign as the owner when the contract asks for it
  std::vector<std::string> approve_as;  // more local keys to sign with
  bool wait = true;                     // until ready; without the needed approvals it ends at once ...
  bool wait_for_approvals = false;      // ... unless this is set
  uint64_t timeout_ms = 300'000;
};

struct Applied {
  Draft::Change change = Draft::Change::None;
  uint64_t version = 0;      // that was submitted, or is there already
  uint64_t approved_ms = 0;  // wall time after the last approval from here was executed; 0: none was given
  uint64_t ready_ms = 0;     // wall time; 0: not waited for, or it waits for approvals
  ContractStatus status;
};

// With Draft::Change::None nothing is submitted; a version that waits is still approved and followed. Applying twice is
// the same as applying once, also when the first time was interrupted.
Result<Applied> apply(LedgerView& view, wallet::Wallet& wallet, const Clock& clock, const Draft& draft,
                      const ApplyOptions& options, Progress& progress);

// Seals the contract's secrets for the nodes that may run it now. False when they are sealed for exactly these.
Result<bool> reseal(LedgerView& view, wallet::Wallet& wallet, const pb::Contract& contract, const std::string& owner);

}  // namespace mcloud::bot
