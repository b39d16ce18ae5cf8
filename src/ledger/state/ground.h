// Nodes and their assignments as the end of a block sees and changes them: each is read once, what it
// gives away is kept in step with what stands on it, and what changed is written back once.
#pragma once

#include <map>
#include <set>

#include "ledger/state/placement.h"
#include "ledger/state/state.h"

namespace mcloud::ledger {

class Ground {
 public:
  explicit Ground(StateWriter& state) : state_(state) {}

  // nullptr when there is no such node.
  const pb::Node* find(BytesView node);
  // All nodes, as changed so far.
  const Nodes& all();
  // How much they hold, as changed so far; complete once all() was called.
  const Crowds& crowds() const { return crowds_; }

  // A replica of `facets` takes from the node what it demands and claims, or gives it back.
  void charge(BytesView node, BytesView contract, const pb::Facets& facets);
  void discharge(BytesView node, BytesView contract, const pb::Facets& facets);

  // What the node is to run of this contract. No replicas and no volumes to erase: nothing of it.
  void assign(BytesView node, const pb::AssignedContract& contract);

  // Writes back what changed.
  void store();

 private:
  pb::Node& changed(BytesView node);
  uint64_t& crowd(BytesView node);

  StateWriter& state_;
  Nodes nodes_;
  Crowds crowds_;
  bool has_all_ = false;
  std::set<Bytes, std::less<>> changed_;
  std::map<Bytes, pb::Assignment, std::less<>> assignments_;
};

}  // namespace mcloud::ledger
