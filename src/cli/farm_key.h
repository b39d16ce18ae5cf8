// Who signs for a farm: its owner, whose key must be on this machine.
#pragma once

#include "bot/ledger_view.h"
#include "cli/desk.h"

namespace mcloud::cli {

// NotFound suggests the nearest farm. Denied when the key that was named, or any here, is not its owner's.
Result<crypto::SigningKey> farm_key(Desk& desk, bot::LedgerView& view, const std::string& farm_name);

}  // namespace mcloud::cli
