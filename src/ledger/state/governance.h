// Parameters and the governed switch of the state machine's logic.
#pragma once

#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// At the height that was agreed the next logic version comes into force, before the block's transactions.
void switch_logic(StateWriter& state, uint64_t height);

}  // namespace mcloud::ledger
