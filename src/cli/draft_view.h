// A draft for people and scripts: what `plan` prints, and `apply` before it acts.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bot/draft.h"
#include "cli/desk.h"

namespace mcloud::cli {

nlohmann::ordered_json json_of(const bot::Draft& draft, bot::LedgerView& view);
void print_draft(Desk& desk, const bot::Draft& draft, bot::LedgerView& view);

// The file as a draft owned by the key that signs; errors of the file are printed.
Result<bot::Draft> load_draft(Desk& desk, const bot::ContractFile& file);

}  // namespace mcloud::cli
