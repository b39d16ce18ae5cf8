// Public names: owned by identities, used by one live contract each.
#pragma once

#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// All names of the header's workloads, each a name of its owner that no other live contract uses; none twice.
Status check_names(const StateReader& state, const pb::ContractHeader& header);

// `next` becomes the contract's current version in place of `before` (nullptr: there was none): names are bound and
// set free accordingly. Checks first, as check_names() does; a refusal changes nothing.
Status bind_names(StateWriter& state, const pb::ContractHeader* before, const pb::ContractHeader& next);
// The contract is over.
void free_names(StateWriter& state, const pb::ContractHeader& current);

}  // namespace mcloud::ledger
