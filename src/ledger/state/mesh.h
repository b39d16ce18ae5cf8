// What nodes of encrypted networks must know of each other: numbers, from which addresses in the mesh follow, and who
// forwards between nodes that take no connections.
#pragma once

#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

inline constexpr uint32_t kNodeNumberMax = 16'383;
inline constexpr int kRelaysMax = 64;

// Gives the node the lowest free number, unless it has one. Without a free one it stays without: it can be a node, but
// in no encrypted network. `node` is not stored.
void give_number(StateWriter& state, pb::Node& node);

// Brings the list of relays in step with what the node is now: online, a relay, with a key for it. Those that are in
// the list stay there; without room a new one is left out. A new revision for those who meet there when one came, went
// or changed.
void refresh_relay(StateWriter& state, const pb::Node& node, uint64_t height);
// The same of nodes that meet others at relays: no relays themselves, with a key for it, online or not.
void refresh_guest(StateWriter& state, const pb::Node& node, uint64_t height);

}  // namespace mcloud::ledger
