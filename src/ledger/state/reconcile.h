// Brings the placement of one contract in line with what its current version asks and what became of
// the nodes: releases what is surplus, re-places what was lost, places what has no place, and renews or
// drains running replicas no faster than the update policy allows.
//
// Always true:
//   - a replica gets a new epoch each time a node is told to run it anew: placed, moved, updated, retried; no
//     epoch of a contract's workload and index is ever given twice, even if the replica was removed meanwhile;
//   - it is given to another node only when its node is fenced, gave it up, drains, or no longer fits;
//   - what leaves data on its node (on_node_loss WAIT, START_EMPTY) is never moved away from a living node,
//     with WAIT from no node at all;
//   - a member of a replica set is begun anew one at a time, the primary last and after others took over;
//   - a replica of a lost node keeps its place until another is found, so a node that comes back first goes on.
#pragma once

#include "ledger/state/agenda.h"
#include "ledger/state/ground.h"

namespace mcloud::ledger {

struct Moment {
  uint64_t height = 0;
  uint64_t time_ms = 0;
  uint64_t logic_version = 0;  // in force (logic.h)
};

struct Reconciled {
  bool freed = false;   // something that other contracts may wait for
  size_t replicas = 0;  // that were looked at: what it cost
};
Reconciled reconcile(StateWriter& state, Ground& ground, const Moment& moment, const agenda::DirtyItem& item);

}  // namespace mcloud::ledger
