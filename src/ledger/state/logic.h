// Versions of the state machine's logic. A chain runs the version that its parameters name and takes the next one at a
// governed height (governance.h); a binary knows all versions up to its newest, so a living chain never forks.
#pragma once

#include <cstdint>

namespace mcloud::ledger {

inline constexpr uint64_t kLogicVersion = 2;  // newest logic in this binary; new chains start with it

// What came with which version.
//   2: nodes' numbers, WireGuard keys and relays; nodes without a backplane; people's devices; public names; a new
//      revision for a contract when what answers in its networks changes.
inline constexpr uint64_t kLogicNetworks = 2;

}  // namespace mcloud::ledger
