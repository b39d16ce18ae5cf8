// Fencing. Validators vote (Suspect); with more than 2/3 of their power a node is FENCED and its epoch
// grows. What it runs does not move at once: for one heartbeat period (fence_after / 5) the loss is
// unsettled, because what takes several nodes down together is noticed over that long. Then:
//   - at least 2 nodes and more than a third of the farm's living nodes fenced within mass_loss_window:
//     the node is `held`, only replicas with on_mass_loss MOVE are re-placed;
//   - else its replicas with on_node_loss MOVE or START_EMPTY are re-placed.
// Nodes that were settled before the count was reached keep their outcome: what moved, moved. With the
// defaults a lost node's replicas are re-placed 1 s after it was fenced.
#pragma once

#include "base/ids.h"
#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// How long after the fencing a loss is unsettled.
uint64_t settle_ms(const pb::Parameters& parameters);

// Decides, for a node whose loss is unsettled, whether it is part of a mass loss.
void settle_loss(StateWriter& state, const NodeId& node);
// The node is back: nothing is to be decided any more.
void forget_loss(StateWriter& state, const pb::Node& node);

// Node and assignment get the next node epoch; the votes against the old one are void. `node` is not stored.
void change_epoch(StateWriter& state, pb::Node& node);
// All contracts with something on the node are looked at again.
void mark_contracts(StateWriter& state, const NodeId& node);
// And by all their nodes, where they have networks: what runs on the node answers to no name any more.
void flip_contracts(StateWriter& state, const NodeId& node);
// And by all their nodes: the node may have other addresses than before.
void revise_contracts(StateWriter& state, const NodeId& node);

}  // namespace mcloud::ledger
