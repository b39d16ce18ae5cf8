// The commands around contract files that need no cluster; `contract check` is in contract.cc.
#pragma once

#include "cli/command.h"
#include "cli/desk.h"

namespace mcloud::cli {

Command contract_schema();   // contract_language.cc
Command contract_explain();  // contract_language.cc

}  // namespace mcloud::cli
