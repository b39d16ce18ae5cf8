#include "node/plan.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace mcloud::node {
namespace {

// Builds the list in order and remembers which step made what, for the `after` of later ones.
class Planner {
 public:
  Planner(const Desired& desired, const Actual& actual, Contact contact)
      : desired_(desired), actual_(actual), fresh_(contact == Contact::Fresh) {}

  std::vector<Step> run() {
    if (desired_.known) choose_keepers();
    if (desired_.known) prepare_images();
    stop_containers();
    if (!desired_.known) return std::move(steps_);
    adopt_epochs();
    remove_networks();
    erase_volumes();
    if (fresh_) ensure_volumes();
    if (fresh_) set_networks();
    start_containers();
    return std::move(steps_);
  }

 private:
  size_t add(Step step) {
    std::sort(step.after.begin(), step.after.end());
    step.after.erase(std::unique(step.after.begin(), step.after.end()), step.after.end());
    steps_.push_back(std::move(step));
    return steps_.size() - 1;
  }

  const DesiredContainer* wanted(const ReplicaKey& replica) const {
    auto found = desired_.containers.find(replica);
    return found == desired_.containers.end() ? nullptr : &found->second;
  }
  bool is_held(const ReplicaKey& replica) const { return actual_.held.contains(replica); }
  bool is_isolated(const ActualContainer& container) const {
    return !fresh_ && container.stop_on_isolation && container.running;
  }
  bool has_unverified(const ContractId& contract) const {
    auto first = desired_.unverified.lower_bound(ReplicaKey{contract, "", 0});
    return first != desired_.unverified.end() && first->contract == contract;
  }

  // Of several containers of one replica the one that fits best stays.
  void choose_keepers() {
    auto rank = [](const ActualContainer& container) { return std::tuple(container.running, container.epoch); };
    for (const ActualContainer& container : actual_.containers) {
      const DesiredContainer* want = wanted(container.replica);
      if (want == nullptr || container.spec != want->spec || is_isolated(container)) continue;
      const ActualContainer*& keeper = keepers_[container.replica];
      if (keeper == nullptr || rank(container) > rank(*keeper)) keeper = &container;
    }
  }

  const ActualContainer* keeper_of(const ReplicaKey& replica) const {
    auto found = keepers_.find(replica);
    return found == keepers_.end() ? nullptr : found->second;
  }

  void prepare_images() {
    if (!fresh_) return;
    for (const auto& [replica, want] : desired_.containers) {
      const ActualContainer* keeper = keeper_of(replica);
      if ((keeper != nullptr && keeper->running) || is_held(replica)) continue;
      auto ready = actual_.prepared.find(replica);
      if (ready != actual_.prepared.end() && ready->second == want.spec) continue;
      prepares_[replica] = add({.kind = StepKind::PrepareImage,
                                .replica = replica,
                                .epoch = want.epoch,
                                .version = want.version,
                                .spec = want.spec});
    }
  }

  StopReason why_stop(const ActualContainer& container) const {
    if (is_isolated(container)) return StopReason::Isolated;
    if (!desired_.known || desired_.unverified.contains(container.replica)) return StopReason::None;
    const DesiredContainer* want = wanted(container.replica);
    if (want == nullptr) return StopReason::NotAssigned;
    const ActualContainer* keeper = keeper_of(container.replica);
    if (keeper == &container) {
      return container.running && actual_.given_up.contains(container.replica) ? StopReason::GivenUp : StopReason::None;
    }
    if (keeper != nullptr) return StopReason::Duplicate;
    // The old one serves until the new one can really be started.
    return fresh_ && !is_held(container.replica) ? StopReason::Replaced : StopReason::None;
  }

  void stop_containers() {
    for (const ActualContainer& container : actual_.containers) {
      StopReason reason = why_stop(container);
      if (reason == StopReason::None) continue;
      Step step{.kind = StepKind::StopContainer,
                .replica = container.replica,
                .container = container.id,
                .epoch = container.epoch,
                .version = container.version,
                .spec = container.spec,
                .reason = reason};
      auto prepare = prepares_.find(container.replica);
      if (reason == StopReason::Replaced && prepare != prepares_.end()) step.after.push_back(prepare->second);
      stops_[&container] = add(std::move(step));
    }
  }

  void adopt_epochs() {
    if (!fresh_) return;
    for (const auto& [replica, keeper] : keepers_) {
      const DesiredContainer& want = *wanted(replica);
      bool older = keeper->epoch < want.epoch || (keeper->epoch == want.epoch && keeper->version != want.version);
      if (!older) continue;
      adopts_[replica] = add({.kind = StepKind::AdoptEpoch,
                              .replica = replica,
                              .container = keeper->id,
                              .epoch = want.epoch,
                              .version = want.version,
                              .spec = want.spec});
    }
  }

  std::vector<size_t> stops_of(const ContractId& contract) const {
    std::vector<size_t> indices;
    for (const auto& [container, index] : stops_) {
      if (container->replica.contract == contract) indices.push_back(index);
    }
    return indices;
  }

  void remove_networks() {
    for (const auto& [contract, spec] : actual_.networks) {
      if (desired_.networks.contains(contract) || has_unverified(contract)) continue;
      add({.kind = StepKind::RemoveNetwork, .replica = {contract, "", 0}, .spec = spec, .after = stops_of(contract)});
    }
  }

  void erase_volumes() {
    for (const auto& [volume, size] : actual_.volumes) {
      if (!desired_.erase.contains(volume.contract) || desired_.volumes.contains(volume)) continue;
      if (has_unverified(volume.contract)) continue;
      add({.kind = StepKind::EraseVolume, .replica = volume, .size_bytes = size, .after = stops_of(volume.contract)});
    }
  }

  void ensure_volumes() {
    for (const auto& [volume, want] : desired_.volumes) {
      auto have = actual_.volumes.find(volume);
      if (have != actual_.volumes.end() && have->second == want.size_bytes) continue;
      ensures_[volume] = add({.kind = StepKind::EnsureVolume, .replica = volume, .size_bytes = want.size_bytes});
    }
  }

  void set_networks() {
    for (const auto& [contract, spec] : desired_.networks) {
      auto have = actual_.networks.find(contract);
      if (have != actual_.networks.end() && have->second == spec) continue;
      sets_[contract] = add({.kind = StepKind::SetNetwork, .replica = {contract, "", 0}, .spec = spec});
    }
  }

  // Containers that must be gone before `replica` starts: its own others, and holders of its volumes.
  // nullopt when one of them stays.
  std::optional<std::vector<size_t>> stops_before(const ReplicaKey& replica, const DesiredContainer& want,
                                                  const ActualContainer* keeper) const {
    std::vector<size_t> indices;
    for (const ActualContainer& container : actual_.containers) {
      if (&container == keeper) continue;
      bool shares_volume = std::any_of(want.volumes.begin(), want.volumes.end(), [&](const ReplicaKey& volume) {
        return std::find(container.volumes.begin(), container.volumes.end(), volume) != container.volumes.end();
      });
      if (container.replica != replica && !shares_volume) continue;
      auto stop = stops_.find(&container);
      if (stop == stops_.end()) return std::nullopt;
      indices.push_back(stop->second);
    }
    return indices;
  }

  void start_containers() {
    for (const auto& [replica, want] : desired_.containers) {
      const ActualContainer* keeper = keeper_of(replica);
      if ((keeper != nullptr && keeper->running) || is_held(replica)) continue;
      // What ran under this very epoch may be started again without the ledger: it is nothing new.
      bool again = keeper != nullptr && keeper->epoch == want.epoch && !keeper->never_ran && !want.stop_on_isolation;
      if (!fresh_ && !again) continue;
      std::optional<std::vector<size_t>> after = stops_before(replica, want, keeper);
      if (!after || !add_needs(replica, want, *after)) continue;
      if (!claim_volumes(want)) continue;
      add({.kind = StepKind::StartContainer,
           .replica = replica,
           .container = keeper == nullptr ? "" : keeper->id,
           .epoch = want.epoch,
           .version = want.version,
           .spec = want.spec,
           .after = std::move(*after)});
    }
  }

  // False when a container started by this plan has one of them already.
  bool claim_volumes(const DesiredContainer& want) {
    for (const ReplicaKey& volume : want.volumes) {
      if (claimed_.contains(volume)) return false;
    }
    claimed_.insert(want.volumes.begin(), want.volumes.end());
    return true;
  }

  // False when a volume is neither there nor to be made.
  bool add_needs(const ReplicaKey& replica, const DesiredContainer& want, std::vector<size_t>& after) const {
    for (const ReplicaKey& volume : want.volumes) {
      auto ensure = ensures_.find(volume);
      if (ensure != ensures_.end()) {
        after.push_back(ensure->second);
      } else if (!actual_.volumes.contains(volume)) {
        return false;
      }
    }
    if (auto set = sets_.find(replica.contract); set != sets_.end()) after.push_back(set->second);
    if (auto prepare = prepares_.find(replica); prepare != prepares_.end()) after.push_back(prepare->second);
    if (auto adopt = adopts_.find(replica); adopt != adopts_.end()) after.push_back(adopt->second);
    return true;
  }

  const Desired& desired_;
  const Actual& actual_;
  const bool fresh_;
  std::vector<Step> steps_;
  std::map<ReplicaKey, const ActualContainer*> keepers_;
  std::map<ReplicaKey, size_t> prepares_;
  std::map<const ActualContainer*, size_t> stops_;  // all in one vector: the order of pointers is its order
  std::map<ReplicaKey, size_t> adopts_;
  std::map<ReplicaKey, size_t> ensures_;
  std::map<ContractId, size_t> sets_;
  std::set<ReplicaKey> claimed_;
};

}  // namespace

uint64_t isolation_limit_ms(uint64_t fence_after_ms) { return fence_after_ms * 3 / 5; }
uint64_t isolation_grace_ms(uint64_t fence_after_ms) { return fence_after_ms / 10; }

Contact contact_at(uint64_t now_ms, uint64_t last_contact_ms, uint64_t fence_after_ms) {
  if (last_contact_ms == 0 || last_contact_ms > now_ms) return Contact::Lost;
  return now_ms - last_contact_ms < isolation_limit_ms(fence_after_ms) ? Contact::Fresh : Contact::Lost;
}

std::vector<Step> plan(const Desired& desired, const Actual& actual, Contact contact) {
  return Planner(desired, actual, contact).run();
}

std::string_view step_name(StepKind kind) {
  switch (kind) {
    case StepKind::AdoptEpoch: return "adopt epoch";
    case StepKind::StopContainer: return "stop container";
    case StepKind::RemoveNetwork: return "remove network";
    case StepKind::EraseVolume: return "erase volume";
    case StepKind::EnsureVolume: return "ensure volume";
    case StepKind::SetNetwork: return "set network";
    case StepKind::PrepareImage: return "prepare image";
    case StepKind::StartContainer: return "start container";
  }
  return "unknown step";
}

std::string describe(const ReplicaKey& replica) {
  if (replica.workload.empty()) return replica.contract.short_hex();
  return replica.contract.short_hex() + "/" + replica.workload + "-" + std::to_string(replica.index);
}

}  // namespace mcloud::node
