#include "ledger/state/bundle.h"

#include <algorithm>

#include "base/check.h"

namespace mcloud::ledger {
namespace {

Member make_member(Dossier& dossier, const std::string& workload, uint32_t index) {
  const pb::Facets* facets = dossier.facets(workload);
  CHECK(facets != nullptr && index < facets->replicas());
  return {facets, dossier.workloads().at(workload).mutable_replicas(static_cast<int>(index))};
}

}  // namespace

const Bytes& Bundle::home() const {
  for (size_t i = 1; i < members.size(); ++i) {
    if (!members[i].replica->node().empty()) return members[i].replica->node();
  }
  return leader().node();
}

bool Bundle::has_state(pb::ReplicaState state) const {
  return std::any_of(members.begin(), members.end(),
                     [&](const Member& member) { return member.replica->state() == state; });
}

std::vector<const pb::Facets*> Bundle::facets() const {
  std::vector<const pb::Facets*> all;
  for (const Member& member : members) all.push_back(member.facets);
  return all;
}

std::vector<Group> make_groups(Dossier& dossier) {
  std::vector<Group> groups;
  for (const pb::Facets& facets : dossier.header().workloads()) {
    if (facets.replicas() == 0 || is_follower(dossier.header(), facets.name())) continue;
    Group group;
    for (uint32_t index = 0; index < facets.replicas(); ++index) {
      Bundle bundle;
      bundle.index = index;
      bundle.members.push_back(make_member(dossier, facets.name(), index));
      for (const std::string& follower : facets.with()) {
        bundle.members.push_back(make_member(dossier, follower, index));
      }
      group.push_back(std::move(bundle));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace mcloud::ledger
