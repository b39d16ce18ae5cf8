// The contract language as JSON Schema (draft-07), generated from the table, for editors. Pure.
//
// It refuses unknown keys, wrong words, wrong spellings of sizes, durations and names, and numbers out of bounds. It refuses
// nothing that the parser takes. What fields say of each other only the parser sees.
#pragma once

#include <string>

namespace mcloud::contract {

// Indented, with a line break at its end. The same for every call.
std::string json_schema();

}  // namespace mcloud::contract
