// The authenticated state tree: applies a block's changes and yields the state hash. Pure.
//
// The hash depends only on the set of keys and values, never on the order or the grouping of changes.
// Cost per changed key: the nodes of its path that no neighbour shares, each read, hashed and written once.
#pragma once

#include "ledger/state/state.h"
#include "ledger/tree/node.h"
#include "ledger/tree/node_store.h"

namespace mcloud::ledger::tree {

// The state hash after the changes. Corrupt when a stored node is missing or malformed; the store may hold
// part of the changes then and must be dropped.
Result<Hash> update(NodeStore& nodes, const Overlay::Changes& changes);

// The state hash of what is stored; 32 zero bytes when nothing is.
Result<Hash> root(const NodeReader& nodes);

}  // namespace mcloud::ledger::tree
