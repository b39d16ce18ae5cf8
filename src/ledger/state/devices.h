// Who may bring a device into which network of a contract.
#pragma once

#include <string>

#include "base/bytes.h"
#include "mcloud/contract.pb.h"

namespace mcloud::ledger {

// nullptr when the header names no such space.
const pb::AddressSpace* find_space(const pb::ContractHeader& header, const std::string& name);
// The contract's owner and the space's members, where the space takes devices at all.
bool may_join(const pb::ContractHeader& header, const pb::AddressSpace& space, BytesView identity);

}  // namespace mcloud::ledger
