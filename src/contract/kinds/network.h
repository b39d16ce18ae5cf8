// `kind: network`: a private network of the contract. Its facet is an address space of the header; there
// is nothing to place.
#pragma once

#include "contract/kinds/kind.h"

namespace mcloud::contract {

inline constexpr std::string_view kDefaultNetwork = "default";
inline constexpr std::string_view kDefaultRange = "10.42.0.0/16";

extern const Kind kNetworkKind;

}  // namespace mcloud::contract
