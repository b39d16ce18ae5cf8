// Watches one version of a contract until it is ready.
#pragma once

#include <functional>

#include "bot/status.h"

namespace mcloud::bot {

// What is told on the way. Called from follow()'s thread.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void step(const std::string& text) = 0;           // "submitted at height 12"
  virtual void replica(const ReplicaStatus& replica) = 0;   // it changed
  virtual void standing(const ContractStatus& status) = 0;  // each time something was looked at
};

struct FollowOptions {
  uint64_t version = 0;
  bool wait_for_approvals = false;  // else missing approvals end it
  uint64_t timeout_ms = 300'000;
};

// The status that ended it: ready, or (without wait_for_approvals) waiting. Errors: Denied when the version was
// rejected, cancelled or expired; Exhausted when a replica is stuck; TimedOut, with what it waits for.
Result<ContractStatus> follow(LedgerView& view, const Clock& clock, const ContractId& id, const FollowOptions& options,
                              Progress& progress);

}  // namespace mcloud::bot
