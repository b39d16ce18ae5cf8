#include "ledger/state/surroundings.h"

#include <algorithm>

namespace mcloud::ledger {
namespace {

bool has_name(const google::protobuf::RepeatedPtrField<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Surroundings::Surroundings(const Dossier& dossier, uint64_t time_ms) : dossier_(dossier), time_ms_(time_ms) {
  const auto& nodes = dossier.contract().keyring_nodes();
  openers_.insert(nodes.begin(), nodes.end());
}

Ask& Surroundings::ask(const Bundle& bundle) {
  auto found = asks_.find(bundle.policy().name());
  if (found == asks_.end()) found = asks_.emplace(bundle.policy().name(), make_ask(bundle)).first;
  return found->second;
}

Ask Surroundings::make_ask(const Bundle& bundle) {
  Ask ask;
  ask.contract = dossier_.id().view();
  ask.members = bundle.facets();
  if (dossier_.header().sealed_secrets()) ask.openers = &openers_;
  for (const Member& member : bundle.members) add_exclusions(member.facets->name(), ask);
  for (const auto& [name, workload] : dossier_.workloads()) {
    for (const pb::Replica& replica : workload.replicas()) {
      if (!replica.node().empty()) count(bundle.policy(), ask, name, replica.node(), +1);
    }
  }
  return ask;
}

// What one replica cannot run on, no replica of the same workload is sent to. What another version could
// not says nothing about this one.
void Surroundings::add_exclusions(const std::string& workload, Ask& ask) {
  for (const pb::Replica& replica : dossier_.workloads().at(workload).replicas()) {
    if (replica.version() != dossier_.version()) continue;
    for (const pb::Exclusion& exclusion : replica.exclusions()) {
      if (exclusion.until_ms() <= time_ms_) continue;
      ask.excluded.emplace(exclusion.node(), exclusion.reason());
      retry_ms_ = std::min(retry_ms_, exclusion.until_ms());
    }
  }
}

void Surroundings::count(const pb::Facets& leader, Ask& ask, const std::string& workload, const Bytes& node,
                         int by) const {
  const pb::Facets* facets = dossier_.facets(workload);
  bool same = workload == leader.name();
  bool together = has_name(leader.placement().together(), workload);
  bool apart = has_name(leader.placement().apart(), workload) ||
               (facets != nullptr && has_name(facets->placement().apart(), leader.name()));
  if (!same && !together && !apart) return;
  Neighbours& near = ask.neighbours[node];
  auto change = static_cast<uint32_t>(by);  // wraps round for -1, which is what adding needs
  near.replicas += same ? change : 0;
  near.together += together ? change : 0;
  near.apart += apart ? change : 0;
}

void Surroundings::stands(const std::string& workload, const Bytes& node) {
  for (auto& [leader, ask] : asks_) count(*ask.members.front(), ask, workload, node, +1);
}

void Surroundings::left(const std::string& workload, const Bytes& node) {
  for (auto& [leader, ask] : asks_) count(*ask.members.front(), ask, workload, node, -1);
}

}  // namespace mcloud::ledger
