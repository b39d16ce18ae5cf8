// From what is on disk to a chain that can go on: the genesis block of a new one, or the blocks that the state has not
// seen yet, executed again.
#pragma once

#include "ledger/engine/block.h"
#include "ledger/engine/genesis.h"
#include "ledger/store/block_store.h"

namespace mcloud::ledger {

// Corrupt when blocks, signatures, links or state hashes do not fit together. Replaying costs about 0.1 ms a
// transaction.
Result<ChainTip> recover_chain(const LedgerFolder& folder, Application& application, StateStore& state,
                               BlockStore& blocks);

}  // namespace mcloud::ledger
