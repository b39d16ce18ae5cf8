// YAML text to a typed, checked contract, or everything that is wrong with it at once. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "contract/document.h"
#include "contract/parameters.h"

namespace mcloud::contract {

struct ParseOutcome {
  std::optional<Contract> contract;      // set exactly when there are no diagnostics
  std::vector<Diagnostic> diagnostics;   // in the order of the file
};

// `file_name` is only for the diagnostics and for Contract.file_name; fragments are named as the file includes them.
ParseOutcome parse_contract(std::string_view yaml, std::string_view file_name, const Surroundings& around = {});

}  // namespace mcloud::contract
