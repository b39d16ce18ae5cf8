#include "node/reconciler.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/hash.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr uint64_t kRetryMs = 1'000;
constexpr uint64_t kRetryMaxMs = 30'000;
constexpr uint64_t kVolumeFailuresMax = 3;
constexpr uint64_t kDiskRestMs = 5'000;

uint64_t pause_after(uint64_t failures) {
  return std::min(kRetryMs << std::min<uint64_t>(failures - 1, 10), kRetryMaxMs);
}

ReplicaKey replica_of(const pb::LocalContainer& record) {
  auto contract = ContractId::from_bytes(record.contract());
  if (!contract.has_value()) return {};
  return {*contract, record.workload(), record.index()};
}

}  // namespace

void Reconciler::found(const Found& found, std::string_view chain_id) {
  for (const FoundContainer& container : found.containers) {
    Tracked tracked{.status = container.status};
    tracked.actual.id = container.id;
    tracked.actual.running = container.status.state == runtime::ContainerState::Running;
    // Half made by an agent that was killed: there is no end of it to learn from.
    tracked.actual.never_ran = container.status.state == runtime::ContainerState::Created;
    tracked.is_end_told = tracked.actual.never_ran;
    const pb::LocalContainer& record = container.record;
    // What another chain's agent left here belongs to nobody that could be asked.
    if (record.chain_id() == chain_id) {
      tracked.actual.replica = replica_of(record);
      tracked.actual.epoch = record.epoch();
      tracked.actual.version = record.version();
      if (auto spec = Hash::from_bytes(record.spec()); spec.has_value()) tracked.actual.spec = *spec;
      tracked.actual.stop_on_isolation = record.stop_on_isolation();
      for (const pb::LocalVolume& volume : record.volumes()) {
        tracked.actual.volumes.push_back({tracked.actual.replica.contract, volume.workload(), volume.index()});
      }
      tracked.restarts = record.restarts();
      tracked.stop_grace_ms = record.stop_grace_ms();
    }
    containers_.insert_or_assign(container.id, std::move(tracked));
  }
  volumes_ = found.volumes;
  for (const std::string& disk : found.disks) disks_[disk] = 0;
  for (const auto& [contract, local] : found.networks) networks_.insert_or_assign(contract, HashedNetworks(local));
}

void Reconciler::set_orders(Orders orders, uint64_t now_ms) {
  fence_after_ms_ = orders.fence_after_ms;
  orders_ = std::move(orders);
  wanted_networks_.take(*orders_);
  services_changed();
  refresh_lives(now_ms);
}

void Reconciler::set_contact(uint64_t last_contact_ms, uint64_t fence_after_ms) {
  last_contact_ms_ = last_contact_ms;
  if (!orders_ && fence_after_ms > 0) fence_after_ms_ = fence_after_ms;
}

// A fenced node is given nothing to rely on: what it has may be somebody else's with the next block.
bool Reconciler::is_fresh(uint64_t now_ms) const {
  if (orders_ && (orders_->fenced || orders_->is_remembered)) return false;
  return contact_at(now_ms, last_contact_ms_, fence_after_ms_) == Contact::Fresh;
}

void Reconciler::refresh_lives(uint64_t now_ms) {
  if (!orders_) return;
  std::erase_if(lives_, [&](const auto& entry) {
    auto task = orders_->containers.find(entry.first);
    return task == orders_->containers.end() || task->second.spec != entry.second.spec();
  });
  // One that is there and is to be erased has its pauses too.
  std::erase_if(volume_lives_, [&](const auto& entry) {
    return !orders_->volumes.contains(entry.first) && !volumes_.contains(entry.first);
  });
  std::erase_if(prepared_, [&](const auto& entry) { return !orders_->containers.contains(entry.first); });
  std::erase_if(network_lives_, [&](const auto& entry) {
    return !orders_->networks.contains(entry.first) && !networks_.contains(entry.first);
  });
  for (const auto& [replica, task] : orders_->containers) {
    uint32_t restarts = 0;
    for (const auto& [id, tracked] : containers_) {
      if (tracked.actual.replica == replica && tracked.actual.spec == task.spec) restarts = tracked.restarts;
    }
    auto [life, is_new] = lives_.try_emplace(replica, task, restarts);
    if (!is_new) life->second.update(task);
  }
  for (auto& [id, tracked] : containers_) {
    auto task = orders_->containers.find(tracked.actual.replica);
    if (task != orders_->containers.end()) {
      tracked.stop_grace_ms = task->second.container->stop_grace_ms();
      if (task->second.spec == tracked.actual.spec) tracked.image = task->second.container->image().digest();
    }
    const ReplicaKey& replica = tracked.actual.replica;
    if (orders_->assigned.contains(replica))
      tracked.is_behind_gateway = orders_->behind_gateways.contains({replica.contract, replica.workload});
    if (Life* life = life_of(replica, tracked.actual.spec)) tell_life(tracked, *life, now_ms);
  }
  refresh_members(now_ms);
}

// What is seen of a container reaches its life once.
void Reconciler::tell_life(Tracked& tracked, Life& life, uint64_t now_ms) {
  const runtime::ContainerStatus& status = tracked.status;
  if (tracked.actual.running) {
    if (!life.is_running() && !life.is_given_up()) life.adopted(now_ms, 0);
    return;
  }
  if (tracked.is_end_told) return;
  tracked.is_end_told = true;
  if (life.is_given_up()) return;
  uint64_t ran_ms =
      status.finished_ms > status.started_ms && status.started_ms > 0 ? status.finished_ms - status.started_ms : 0;
  life.ended(now_ms, {.exit_code = status.exit_code, .out_of_memory = status.out_of_memory, .ran_ms = ran_ms, .note = status.note});
}

Life* Reconciler::life_of(const ReplicaKey& replica, const Hash& spec) {
  auto life = lives_.find(replica);
  return life == lives_.end() || life->second.spec() != spec ? nullptr : &life->second;
}

void Reconciler::observed(const std::string& container, const runtime::ContainerStatus& status, uint64_t looked_ms,
                          uint64_t now_ms) {
  auto found = containers_.find(container);
  if (found == containers_.end()) return;
  Tracked& tracked = found->second;
  bool is_running = status.state == runtime::ContainerState::Running;
  // A look from before its restart may arrive late: an end is believed only of the start we know.
  bool is_late =
      looked_ms < tracked.began_ms || (tracked.status.started_ms != 0 && status.started_ms < tracked.status.started_ms);
  if (is_late || is_running == tracked.actual.running) return;
  tracked.status = status;
  tracked.actual.running = is_running;
  // An end that we bring about tells nothing about the program.
  tracked.is_end_told = is_stopping(container);
  if (Life* life = life_of(tracked.actual.replica, tracked.actual.spec)) tell_life(tracked, *life, now_ms);
}

bool Reconciler::is_stopping(const std::string& container) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& flight) {
    return flight.second.job.kind == JobKind::Stop && flight.second.job.container == container;
  });
}

// ---- what came of jobs ---------------------------------------------------------------------------

void Reconciler::job_done(uint64_t id, const JobOutcome& outcome, uint64_t now_ms) {
  auto found = in_flight_.find(id);
  CHECK(found != in_flight_.end());
  Job job = std::move(found->second.job);
  lanes_.erase(found->second.lane);
  in_flight_.erase(found);
  switch (job.kind) {
    case JobKind::Adopt: return adopt_done(job, outcome.status, now_ms);
    case JobKind::Stop: return stop_done(job, outcome.status, now_ms);
    case JobKind::ChangeNetworks: return networks_done(job, outcome, now_ms);
    case JobKind::EraseVolume:
    case JobKind::EnsureVolume: return volume_done(job, outcome.status, now_ms);
    case JobKind::PrepareImage:
      if (outcome.status.has_value()) {
        prepared_[job.replica] = job.task->spec;
      } else if (Life* life = life_of(job.replica, job.task->spec)) {
        life->failed(now_ms, "image", outcome.status.error());
      }
      return;
    case JobKind::Start: return start_done(job, outcome.status, now_ms);
    case JobKind::DropDisk:
      if (!outcome.status.has_value()) {
        disks_[job.container] = now_ms + kRetryMaxMs;
        return;
      }
      disks_.erase(job.container);
      spent_disks_.erase(job.container);
      return;
    case JobKind::Probe:
      if (Life* life = life_of(job.replica, job.task->spec)) life->probed(now_ms, outcome.status);
      return;
    case JobKind::Measure: return measure_done(job, outcome, now_ms);
    case JobKind::AskMember: return ask_done(job, outcome, now_ms);
    case JobKind::SetNames:
    case JobKind::SetGateways:
    case JobKind::LookAtGateway:
    case JobKind::TendNetworks: return service_done(job, outcome, now_ms);
  }
}

void Reconciler::adopt_done(const Job& job, const Status& status, uint64_t now_ms) {
  auto tracked = containers_.find(job.container);
  if (tracked == containers_.end()) return;
  if (!status.has_value()) {
    adopt_holds_[job.container] = now_ms + kRetryMs;
    return;
  }
  adopt_holds_.erase(job.container);
  tracked->second.actual.epoch = job.epoch;
  tracked->second.actual.version = job.version;
}

void Reconciler::start_done(const Job& job, const Status& status, uint64_t now_ms) {
  const ContainerTask& task = *job.task;
  Tracked tracked{.restarts = job.restarts,
                  .stop_grace_ms = task.container->stop_grace_ms(),
                  .began_ms = now_ms,
                  .image = task.container->image().digest()};
  tracked.actual = {.id = job.container,
                    .replica = job.replica,
                    .epoch = task.epoch,
                    .version = task.version,
                    .spec = task.spec,
                    .stop_on_isolation = task.facets->on_isolation() == pb::ISOLATION_STOP,
                    .running = status.has_value(),
                    .never_ran = !status.has_value()};
  for (const auto& [path, volume] : task.volumes) tracked.actual.volumes.push_back(volume);
  // A failed start stays tracked as ended, so that whatever it may have left is removed by the next step.
  tracked.is_end_told = true;
  tracked.status.state = status.has_value() ? runtime::ContainerState::Running : runtime::ContainerState::Stopped;
  containers_.insert_or_assign(job.container, std::move(tracked));
  disks_[job.container] = 0;
  member_process_began(job.replica, now_ms);
  Life* life = life_of(job.replica, task.spec);
  if (life == nullptr) return;
  if (status.has_value()) {
    life->started(now_ms);
  } else {
    prepared_.erase(job.replica);  // perhaps the image is what is broken: look again
    life->failed(now_ms, "start", status.error());
  }
}

void Reconciler::stop_done(const Job& job, const Status& status, uint64_t now_ms) {
  auto found = containers_.find(job.container);
  if (found == containers_.end()) return;
  Life* life = life_of(found->second.actual.replica, found->second.actual.spec);
  if (life != nullptr && (status.has_value() || !found->second.actual.running)) life->stopped();
  if (!status.has_value()) {
    stop_holds_[job.container] = now_ms + kRetryMs;
    return;
  }
  containers_.erase(found);
  leaving_.erase(job.container);
  stop_holds_.erase(job.container);
  adopt_holds_.erase(job.container);
  disks_[job.container] = now_ms + kDiskRestMs;
}

void Reconciler::volume_done(const Job& job, const Status& status, uint64_t now_ms) {
  if (status.has_value()) {
    volume_lives_.erase(job.replica);
    if (job.kind == JobKind::EnsureVolume) volumes_[job.replica] = job.size_bytes;
    if (job.kind == JobKind::EraseVolume) volumes_.erase(job.replica);
    return;
  }
  VolumeLife& life = volume_lives_[job.replica];
  ++life.failures;
  life.hold_until_ms = now_ms + pause_after(life.failures);
  life.message = bounded_message("volume: " + status.error().message);
  life.given_up = is_final(status.error().code) || life.failures >= kVolumeFailuresMax;
}

void Reconciler::networks_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms) {
  auto outcome_of = [&](const ContractId& contract) -> Status {
    auto found = outcome.networks.find(contract);
    if (found != outcome.networks.end()) return found->second;
    if (!outcome.status.has_value()) return outcome.status;
    return make_error(Code::Internal, "the networks' port did not say");
  };
  services_changed();  // links that they lead through may be others
  if (job.networks.mesh) {
    if (outcome_of({}).has_value()) mesh_ = wire::encode(*job.networks.mesh);
    mesh_hold_until_ms_ = outcome_of({}).has_value() ? 0 : now_ms + kRetryMs;
  }
  for (const ContractId& contract : job.networks.remove) {
    if (outcome_of(contract).has_value()) {
      networks_.erase(contract);
      network_lives_.erase(contract);
    } else {
      NetworkLife& life = network_lives_[contract];
      life.hold_until_ms = now_ms + pause_after(++life.failures);
    }
  }
  for (const auto& [contract, networks] : job.networks.set) {
    Status status = outcome_of(contract);
    if (status.has_value()) {
      networks_.insert_or_assign(contract, HashedNetworks(networks));
      network_lives_.erase(contract);
      continue;
    }
    // Something of it may be there: it is to be removed, also when it was never whole.
    networks_.try_emplace(contract, pb::LocalNetworks());
    NetworkLife& life = network_lives_[contract];
    life.hold_until_ms = now_ms + pause_after(++life.failures);
    life.error = status.error();
    for (auto& [replica, waiting] : lives_) {
      if (replica.contract == contract && waiting.state() == pb::REPLICA_PREPARING) {
        waiting.failed(now_ms, "network", status.error());
      }
    }
  }
}

void Reconciler::give_up_overdue(uint64_t now_ms) {
  for (auto& [id, flight] : in_flight_) {
    if (now_ms < flight.deadline_ms) continue;
    const Job& job = flight.job;
    // All networks wait for this one, those asked for later too.
    if (job.kind == JobKind::ChangeNetworks) give_up_unconnected();
    if (std::exchange(flight.is_overdue, true)) continue;
    if (job.kind == JobKind::EnsureVolume) {
      VolumeLife& life = volume_lives_[job.replica];
      life.message = "volume: making it hangs";
      life.given_up = true;
    }
    if (job.kind != JobKind::PrepareImage && job.kind != JobKind::Start) continue;
    Life* life = life_of(job.replica, job.task->spec);
    if (life == nullptr) continue;
    life->give_up(job.kind == JobKind::Start ? "start: it hangs" : "image: preparing it hangs");
  }
}

void Reconciler::give_up_unconnected() {
  for (auto& [replica, life] : lives_) {
    auto set = networks_.find(replica.contract);
    bool is_made = set != networks_.end() && !set->second.local.contract().empty();
    bool waits = orders_->networks.contains(replica.contract) && !is_made;
    if (waits && life.state() == pb::REPLICA_PREPARING)
      life.give_up("network: changing the networks of this node hangs");
  }
}

}  // namespace mcloud::node
