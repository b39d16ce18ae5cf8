// What stands and moves as one: replica i of a workload with replica i of those it leads (Facets.with).
#pragma once

#include <string>
#include <vector>

#include "ledger/state/dossier.h"

namespace mcloud::ledger {

struct Member {
  const pb::Facets* facets = nullptr;  // of the current version
  pb::Replica* replica = nullptr;
};

// Borrows from a Dossier whose workloads are not added to or removed from meanwhile.
struct Bundle {
  uint32_t index = 0;
  std::vector<Member> members;  // the leader first

  const pb::Facets& policy() const { return *members.front().facets; }  // shared by all members
  pb::Replica& leader() const { return *members.front().replica; }
  // It leaves something on its node: it does not move just because the node is lost or drained.
  bool leaves_data() const { return policy().on_node_loss() != pb::NODE_LOSS_MOVE; }
  std::string name() const { return policy().name() + "/" + std::to_string(index); }

  // Where it stands: the node of the first follower that has one (data is there), else the leader's; empty: nowhere.
  const Bytes& home() const;
  bool is_placed() const { return !home().empty(); }
  bool has_state(pb::ReplicaState state) const;
  std::vector<const pb::Facets*> facets() const;
};

// All bundles of one leading workload, by index.
using Group = std::vector<Bundle>;

// One per leading workload, in order of their names. Every replica must exist.
std::vector<Group> make_groups(Dossier& dossier);

}  // namespace mcloud::ledger
