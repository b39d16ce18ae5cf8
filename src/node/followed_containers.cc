#include "node/followed_containers.h"

namespace mcloud::node {

std::vector<Telemetry::Target> FollowedContainers::now(const Reconciler& reconciler) {
  std::erase_if(followed_, [&](const auto& entry) { return !reconciler.has_disk(entry.first); });
  if (reconciler.orders()) {
    // A site's log is what its gateway says of its requests.
    for (const pb::LocalSite& site : reconciler.orders()->gateway.sites()) {
      auto contract = ContractId::from_bytes(site.contract());
      auto owner = PublicKey::from_bytes(site.owner());
      if (!contract.has_value() || !owner.has_value()) continue;
      ReplicaKey replica{*contract, site.workload(), site.index()};
      followed_[container_id(replica)] = {.container = container_id(replica), .replica = replica, .owner = *owner};
    }
    for (const auto& [replica, task] : reconciler.orders()->containers) {
      std::string id = task.container_id();
      followed_[id] = {.container = id, .replica = replica, .owner = task.contract->owner()};
    }
  }
  for (auto& [id, target] : followed_) target.is_running = false;
  for (const Reconciler::Running& running : reconciler.running()) {
    auto found = followed_.find(running.container);
    if (found != followed_.end()) found->second.is_running = true;
  }
  std::vector<Telemetry::Target> targets;
  for (const auto& [id, target] : followed_) targets.push_back(target);
  return targets;
}

}  // namespace mcloud::node
