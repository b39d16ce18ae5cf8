// Transactions that came in one request, on their way through the mempool into blocks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "ledger/application.h"
#include "ledger/client/verify.h"

namespace mcloud::ledger {

struct Outcome {
  uint64_t height = 0;  // of the block; 0 = refused before any block, or not executed yet
  TransactionResult result;
};

// Filled by one HTTP worker, then handed to the engine's loop, which alone touches it from there on.
struct Submission {
  std::vector<Outcome> outcomes;  // one per transaction, in order
  // Of the transactions that were accepted: their bytes (moved away by the engine) and their place in `outcomes`.
  struct Accepted {
    size_t place = 0;
    Bytes transaction;
  };
  std::vector<Accepted> accepted;

  size_t waiting = 0;                                               // accepted and not in a block yet
  std::map<uint64_t, std::shared_ptr<const BlockEvidence>> blocks;  // that contain some of them
  std::function<void(const Submission&)> done;                      // once, on the loop, when nothing waits any more
};

}  // namespace mcloud::ledger
