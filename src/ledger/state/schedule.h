// The end of a block: what time or earlier transactions made due is done, within bounds per block; the
// rest waits, in the state, for the next.
#pragma once

#include "ledger/state/reconcile.h"

namespace mcloud::ledger {

inline constexpr size_t kDuePerBlock = 1024;
inline constexpr size_t kContractsPerBlock = 512;    // changed ones
inline constexpr size_t kReplicasPerBlock = 20'000;  // of all contracts looked at; the one that reaches it is the last
inline constexpr size_t kWaitingPerBlock = 64;       // tried again as something became free
inline constexpr size_t kTokensPerBlock = 256;       // expired ones forgotten

void end_block(StateWriter& state, const Moment& moment);

}  // namespace mcloud::ledger
