// Which jobs to begin now.
#include <algorithm>

#include "crypto/hash.h"
#include "node/local_networks.h"
#include "node/reconciler.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr const char* kNetworkLane = "network";

enum class PoolKind { Start, Stop, Image, Network, Probe, Measure, Ask, Service };

PoolKind pool_of(JobKind kind) {
  switch (kind) {
    case JobKind::Adopt:
    case JobKind::Start:
    case JobKind::EnsureVolume:
    case JobKind::EraseVolume:
    case JobKind::DropDisk: return PoolKind::Start;
    case JobKind::Stop: return PoolKind::Stop;
    case JobKind::PrepareImage: return PoolKind::Image;
    case JobKind::ChangeNetworks:
    case JobKind::TendNetworks: return PoolKind::Network;
    case JobKind::SetNames:
    case JobKind::SetGateways:
    case JobKind::LookAtGateway: return PoolKind::Service;
    case JobKind::Probe: return PoolKind::Probe;
    case JobKind::Measure: return PoolKind::Measure;
    case JobKind::AskMember: return PoolKind::Ask;
  }
  return PoolKind::Start;
}

std::string lane_of(const Job& job) {
  std::string replica =
      job.replica.contract.hex() + "/" + job.replica.workload + "/" + std::to_string(job.replica.index);
  switch (job.kind) {
    case JobKind::Adopt:
    case JobKind::Start:
    case JobKind::Stop:
    case JobKind::DropDisk: return "container " + (job.container.empty() ? container_id(job.replica) : job.container);
    case JobKind::EnsureVolume:
    case JobKind::EraseVolume: return "volume " + replica;
    case JobKind::PrepareImage: return "image " + replica;
    case JobKind::Probe: return "probe " + replica;
    case JobKind::Measure: return (job.container.empty() ? "measure volume " : "measure ") + replica;
    case JobKind::AskMember: return "member " + replica;
    case JobKind::ChangeNetworks:
    case JobKind::TendNetworks: return kNetworkLane;
    case JobKind::SetNames: return "names";
    case JobKind::SetGateways: return "gateways";
    case JobKind::LookAtGateway: return "gateway state";
  }
  return replica;
}

}  // namespace

// What the networks of every contract must look like at this moment.
Reconciler::NetworksNow Reconciler::networks_now() const {
  NetworksNow networks;
  if (!orders_) return networks;
  Standing now = standing();
  for (const auto& [contract, local] : orders_->networks) networks[contract] = wanted_networks_.of(*orders_, contract, now.serving);
  std::map<ContractId, pb::LocalNetworks> changed;
  for (const auto& [id, leaving] : leaving_) {
    auto tracked = containers_.find(id);
    if (tracked == containers_.end() || !tracked->second.actual.running) continue;
    const ContractId& contract = tracked->second.actual.replica.contract;
    auto set = networks_.find(contract);
    if (set == networks_.end()) continue;
    auto [kept, is_new] = changed.try_emplace(contract);
    if (auto wanted = networks.find(contract); is_new && wanted != networks.end()) kept->second = wanted->second->local;
    kept->second.set_contract(contract.bytes());
    keep_member(set->second.local, id, kept->second);
  }
  for (const auto& [contract, local] : changed) networks[contract] = std::make_shared<HashedNetworks>(local);
  return networks;
}

Desired Reconciler::desired_now(const NetworksNow& networks) const {
  if (!orders_) return {};
  Desired desired = orders_->desired;
  for (const auto& [contract, one] : networks) desired.networks[contract] = one->hash;
  return desired;
}

// What is there, with jobs in flight counted so that a second one can never meet the first.
Actual Reconciler::actual_now(uint64_t now_ms) const {
  Actual actual{.volumes = volumes_, .networks = {}, .prepared = prepared_};
  for (const auto& [contract, set] : networks_) actual.networks[contract] = set.hash;
  std::set<std::string> starting;
  for (const auto& [id, flight] : in_flight_) {
    const Job& job = flight.job;
    if (job.kind == JobKind::EraseVolume) actual.volumes.erase(job.replica);
    for (const ContractId& contract : job.networks.remove) actual.networks.erase(contract);
    if (job.kind != JobKind::Start) continue;
    ActualContainer container{.id = job.container,
                              .replica = job.replica,
                              .epoch = job.task->epoch,
                              .version = job.task->version,
                              .spec = job.task->spec,
                              .stop_on_isolation = job.task->facets->on_isolation() == pb::ISOLATION_STOP,
                              .running = true};
    for (const auto& [path, volume] : job.task->volumes) container.volumes.push_back(volume);
    actual.containers.push_back(std::move(container));
    starting.insert(job.container);
  }
  for (const auto& [id, tracked] : containers_) {
    if (!starting.contains(id)) actual.containers.push_back(tracked.actual);
  }
  for (const auto& [replica, life] : lives_) {
    if (life.held_until_ms() > now_ms) actual.held.insert(replica);
    if (life.is_given_up()) actual.given_up.insert(replica);
  }
  return actual;
}

size_t Reconciler::in_flight_of(const ContractId& contract) const {
  size_t count = 0;
  for (const auto& [id, flight] : in_flight_) count += flight.job.replica.contract == contract;
  return count;
}

bool Reconciler::has_room(const Job& job) const {
  PoolKind pool = pool_of(job.kind);
  size_t all = 0;
  size_t own = 0;
  for (const auto& [id, flight] : in_flight_) {
    if (pool_of(flight.job.kind) != pool) continue;
    ++all;
    own += flight.job.replica.contract == job.replica.contract;
  }
  switch (pool) {
    case PoolKind::Start: return all < limits_.start_jobs && own < limits_.start_jobs_per_contract;
    case PoolKind::Stop: return all < limits_.stop_jobs && own < limits_.stop_jobs_per_contract;
    case PoolKind::Image: return all < limits_.image_jobs && own < limits_.image_jobs_per_contract;
    case PoolKind::Probe: return all < limits_.probes && own < limits_.probes_per_contract;
    case PoolKind::Measure: return all < limits_.measures && own < limits_.measures_per_contract;
    case PoolKind::Ask: return all < limits_.asks && own < limits_.asks_per_contract;
    case PoolKind::Network: return all == 0;
    case PoolKind::Service: return true;  // each of its lanes has one
  }
  return false;
}

bool Reconciler::is_free(JobKind kind) const { return !lanes_.contains(lane_of({.kind = kind})); }

void Reconciler::begin(Job job, uint64_t now_ms, std::vector<Job>& jobs) {
  std::string lane = lane_of(job);
  if (lanes_.contains(lane) || !has_room(job)) return;
  job.id = next_job_++;
  lanes_[lane] = job.id;
  uint64_t deadline = job.kind == JobKind::PrepareImage ? limits_.image_deadline_ms : limits_.job_deadline_ms;
  in_flight_[job.id] = {.job = job, .lane = std::move(lane), .deadline_ms = now_ms + deadline + job.grace_ms};
  jobs.push_back(std::move(job));
}

std::optional<Job> Reconciler::job_of(const Step& step, uint64_t now_ms) const {
  Job job{.replica = step.replica,
          .container = step.container,
          .epoch = step.epoch,
          .version = step.version,
          .size_bytes = step.size_bytes,
          .reason = step.reason};
  switch (step.kind) {
    case StepKind::AdoptEpoch: {
      job.kind = JobKind::Adopt;
      auto hold = adopt_holds_.find(step.container);
      if (hold != adopt_holds_.end() && hold->second > now_ms) return std::nullopt;
      return job;
    }
    case StepKind::StopContainer: {
      job.kind = JobKind::Stop;
      auto hold = stop_holds_.find(step.container);
      if (hold != stop_holds_.end() && hold->second > now_ms) return std::nullopt;
      auto leaving = leaving_.find(step.container);
      bool can_wait = leaving != leaving_.end() && step.reason != StopReason::Isolated && is_fresh(now_ms);
      if (can_wait && now_ms < leaves_ms(leaving->second)) return std::nullopt;
      auto tracked = containers_.find(step.container);
      job.grace_ms = tracked == containers_.end() ? 0 : tracked->second.stop_grace_ms;
      if (step.reason == StopReason::Isolated)
        job.grace_ms = std::min(job.grace_ms, isolation_grace_ms(fence_after_ms_));
      return job;
    }
    case StepKind::EraseVolume:
    case StepKind::EnsureVolume: {
      job.kind = step.kind == StepKind::EraseVolume ? JobKind::EraseVolume : JobKind::EnsureVolume;
      auto life = volume_lives_.find(step.replica);
      if (life != volume_lives_.end() && life->second.hold_until_ms > now_ms) return std::nullopt;
      return job;
    }
    case StepKind::PrepareImage:
    case StepKind::StartContainer: {
      job.kind = step.kind == StepKind::PrepareImage ? JobKind::PrepareImage : JobKind::Start;
      job.task = orders_->containers.at(step.replica);
      job.container = container_id(step.replica);
      if (!held_image_.empty() && job.task->container->image().digest() == held_image_) return std::nullopt;
      // What filled its disk begins anew on an empty one.
      if (job.kind == JobKind::Start && spent_disks_.contains(job.container) && has_disk(job.container))
        return std::nullopt;
      auto life = lives_.find(step.replica);
      if (life != lives_.end()) job.restarts = life->second.restarts_after_start();
      return job;
    }
    case StepKind::SetNetwork:
    case StepKind::RemoveNetwork: return std::nullopt;  // all of them are one job
  }
  return std::nullopt;
}

// Keeps the list of published containers that are about to be stopped. True if it has grown.
bool Reconciler::note_leaving(const std::vector<Step>& steps, uint64_t now_ms) {
  bool has_grown = false;
  std::set<std::string> stopping;
  for (const Step& step : steps) {
    if (step.kind != StepKind::StopContainer || !step.after.empty()) continue;
    stopping.insert(step.container);
    bool is_wish = step.reason == StopReason::NotAssigned || step.reason == StopReason::Replaced ||
                   step.reason == StopReason::GivenUp;
    auto tracked = containers_.find(step.container);
    bool is_running = tracked != containers_.end() && tracked->second.actual.running;
    if (!is_wish || !is_running || leaving_.contains(step.container) || !is_fresh(now_ms)) continue;
    auto set = networks_.find(step.replica.contract);
    if (set == networks_.end()) continue;
    if (!tracked->second.is_behind_gateway && !is_published(set->second.local, step.container)) continue;
    leaving_[step.container] = {.since_ms = now_ms};
    has_grown = true;
  }
  std::erase_if(leaving_, [&](const auto& entry) { return !stopping.contains(entry.first); });
  for (auto& [id, leaving] : leaving_) {
    if (leaving.withdrawn_ms != 0) continue;
    const Tracked& tracked = containers_.at(id);
    auto set = networks_.find(tracked.actual.replica.contract);
    if (set != networks_.end() && is_published(set->second.local, id)) continue;
    leaving.withdrawn_ms = now_ms + (tracked.is_behind_gateway ? limits_.gateway_linger_ms : 0);
  }
  return has_grown;
}

uint64_t Reconciler::leaves_ms(const Leaving& leaving) const {
  if (leaving.withdrawn_ms == 0) return leaving.since_ms + limits_.withdraw_max_ms;
  return leaving.withdrawn_ms + limits_.linger_ms;
}

std::optional<Job> Reconciler::network_job(const std::vector<Step>& steps,
                                           const NetworksNow& networks,
                                           uint64_t now_ms) const {
  Job job{.kind = JobKind::ChangeNetworks};
  for (const Step& step : steps) {
    if (!step.after.empty()) continue;
    if (step.kind != StepKind::SetNetwork && step.kind != StepKind::RemoveNetwork) continue;
    const ContractId& contract = step.replica.contract;
    auto life = network_lives_.find(contract);
    if (life != network_lives_.end() && life->second.hold_until_ms > now_ms) continue;
    if (step.kind == StepKind::RemoveNetwork) job.networks.remove.insert(contract);
    if (step.kind == StepKind::SetNetwork) job.networks.set[contract] = networks.at(contract)->local;
  }
  if (mesh_ != wire::encode(orders_->mesh) && mesh_hold_until_ms_ <= now_ms) job.networks.mesh = orders_->mesh;
  if (job.networks.set.empty() && job.networks.remove.empty() && !job.networks.mesh) return std::nullopt;
  return job;
}

void Reconciler::add_step_jobs(uint64_t now_ms, std::vector<Job>& jobs) {
  Contact contact = is_fresh(now_ms) ? Contact::Fresh : Contact::Lost;
  NetworksNow networks = networks_now();
  std::vector<Step> steps = plan(desired_now(networks), actual_now(now_ms), contact);
  if (note_leaving(steps, now_ms)) {
    networks = networks_now();
    steps = plan(desired_now(networks), actual_now(now_ms), contact);
  }
  // Who has least in flight goes first, so that a contract with much to do leaves room for others.
  std::multimap<size_t, Job> candidates;
  for (const Step& step : steps) {
    if (!step.after.empty()) continue;
    if (std::optional<Job> job = job_of(step, now_ms))
      candidates.emplace(in_flight_of(job->replica.contract), std::move(*job));
  }
  if (orders_) {
    if (std::optional<Job> job = network_job(steps, networks, now_ms)) candidates.emplace(0, std::move(*job));
  }
  for (auto& [in_flight, job] : candidates) begin(std::move(job), now_ms, jobs);
}

void Reconciler::add_probes(uint64_t now_ms, std::vector<Job>& jobs) {
  if (!orders_) return;
  for (const auto& [replica, life] : lives_) {
    std::optional<uint64_t> due = life.next_probe_ms();
    if (!due || *due > now_ms) continue;
    auto task = orders_->containers.find(replica);
    if (task == orders_->containers.end()) continue;
    begin({.kind = JobKind::Probe, .replica = replica, .task = task->second, .container = container_id(replica)},
          now_ms, jobs);
  }
}

// What no container here, and none that is to run here, can use again.
void Reconciler::add_disk_jobs(uint64_t now_ms, std::vector<Job>& jobs) {
  if (!orders_ || !is_fresh(now_ms)) return;
  std::set<std::string> keep;
  for (const auto& [id, tracked] : containers_) keep.insert(id);
  for (const auto& [replica, assigned] : orders_->assigned) {
    std::string id = container_id(replica);
    if (!spent_disks_.contains(id)) keep.insert(std::move(id));
  }
  for (const auto& [disk, rests_until] : disks_) {
    if (keep.contains(disk) || rests_until > now_ms) continue;
    begin({.kind = JobKind::DropDisk, .container = disk}, now_ms, jobs);
  }
}

std::vector<Job> Reconciler::take_jobs(uint64_t now_ms) {
  give_up_overdue(now_ms);
  refresh_lives(now_ms);
  watch_disks(now_ms);
  std::vector<Job> jobs;
  add_step_jobs(now_ms, jobs);
  add_probes(now_ms, jobs);
  add_disk_jobs(now_ms, jobs);
  add_measures(now_ms, jobs);
  add_asks(now_ms, jobs);
  add_service_jobs(now_ms, jobs);
  return jobs;
}

uint64_t Reconciler::next_ms(uint64_t now_ms) const {
  uint64_t next = UINT64_MAX;
  auto at = [&](uint64_t moment) {
    if (moment > now_ms) next = std::min(next, moment);
  };
  for (const auto& [replica, life] : lives_) {
    at(life.held_until_ms());
    if (auto probe = life.next_probe_ms()) {
      // A probe that is due waits for room or for its predecessor: their end is news enough.
      at(*probe);
    }
  }
  for (const auto& [volume, life] : volume_lives_) at(life.hold_until_ms);
  for (const auto& [contract, life] : network_lives_) at(life.hold_until_ms);
  for (const auto& [container, hold] : stop_holds_) at(hold);
  for (const auto& [container, hold] : adopt_holds_) at(hold);
  at(disk_watch_.next_ms());
  at(next_ask_ms());
  at(next_service_ms(now_ms));
  at(mesh_hold_until_ms_);
  for (const auto& [container, leaving] : leaving_) at(leaves_ms(leaving));
  for (const auto& [disk, rests_until] : disks_) at(rests_until);
  for (const auto& [id, flight] : in_flight_) at(flight.deadline_ms);
  for (const auto& [id, tracked] : containers_) {
    if (tracked.actual.stop_on_isolation && tracked.actual.running)
      at(last_contact_ms_ + isolation_limit_ms(fence_after_ms_));
  }
  return next;
}

bool Reconciler::is_settled(uint64_t now_ms) const {
  Contact contact = is_fresh(now_ms) ? Contact::Fresh : Contact::Lost;
  bool is_busy = std::any_of(in_flight_.begin(), in_flight_.end(), [](const auto& flight) {
    return !is_look(flight.second.job.kind);
  });
  return !is_busy && plan(desired_now(networks_now()), actual_now(now_ms), contact).empty();
}

}  // namespace mcloud::node
