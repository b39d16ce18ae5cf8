// The commands around contract files that need no cluster; `contract check` is in contract.cc.
#pragma once

#include "bot/draft.h"
#include "cli/command.h"
#include "cli/desk.h"

namespace mcloud::cli {

// Adds FILE, --set and --values.
Command& takes_contract_file(Command& command, bot::ContractFile& file);
// " --set size=1TiB --values more.yaml", as it was typed; "" without any.
std::string typed_values(const bot::ContractFile& file);

Command contract_schema();   // contract_language.cc
Command contract_explain();  // contract_language.cc
Command contract_format();   // contract_format.cc

}  // namespace mcloud::cli
