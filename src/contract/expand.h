// Inside this room only: a contract file made whole before its fields are read: fragments joined in, sets of fields used,
// parameters put in. What is left is a file as if somebody had written it out.
#pragma once

#include "contract/document.h"
#include "contract/parameters.h"
#include "contract/syntax.h"
#include "wire/yaml.h"

namespace mcloud::contract {

namespace expand_bounds {
inline constexpr size_t kFragments = 16;      // of a file, those of fragments included
inline constexpr int kDepth = 4;              // fragments of fragments
inline constexpr size_t kFragmentBytes = 1 << 20;  // all together
inline constexpr size_t kSets = 64;
inline constexpr size_t kBytesUsed = 4 << 20;  // of texts that `use` copies into workloads
}  // namespace expand_bounds

// `tree` is a map. Takes include, fields, parameters and every `use` out of it. Reports all that is wrong; then the tree is
// not to be read. Returns the parameters that stand in it.
std::vector<UsedParameter> expand(wire::YamlNode& tree, std::string_view file_name, const Surroundings& around, Report& report);

}  // namespace mcloud::contract
