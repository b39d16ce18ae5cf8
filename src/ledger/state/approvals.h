// The life of a proposed version: decisions are recorded until they are enough (it becomes current),
// can no longer be enough (rejected), or come too late (expired).
#pragma once

#include "base/ids.h"
#include "ledger/state/call.h"
#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// To be called when decisions of the proposed version may have become enough, or too few; also right after
// its submission, as a header may ask for no approval. Changes `contract`, which is not stored. Refuses when the
// version would become current and may not: a public name that it needs is not its owner's or not free.
Status conclude_proposal(const Call& call, pb::Contract& contract, StateWriter& state);

// A proposed version whose time is over expires.
void expire_proposal(StateWriter& state, const ContractId& contract, uint64_t time_ms);

// The contract's name is free again, if it is (still) the one that has it.
void free_name(StateWriter& state, const pb::Contract& contract);

}  // namespace mcloud::ledger
