// What is told of the present state: to the ledger, to the log shipper, to the housekeeper.
#include "node/reconciler.h"

namespace mcloud::node {

const Reconciler::Tracked* Reconciler::running_container(const ReplicaKey& replica) const {
  for (const auto& [id, tracked] : containers_) {
    if (tracked.actual.replica == replica && tracked.actual.running) return &tracked;
  }
  return nullptr;
}

std::optional<Report> Reconciler::report_of(const ReplicaKey& replica, const Assigned& assigned) const {
  Report report{.replica = replica};
  report.result.set_contract(replica.contract.bytes());
  report.result.set_workload(replica.workload);
  report.result.set_index(replica.index);
  report.result.set_epoch(assigned.epoch);
  report.result.set_version(assigned.version);
  auto refusal = orders_->refusals.find(replica);
  // Not before it has ended: whoever is given it next must be alone.
  auto life = lives_.find(replica);
  const Tracked* running = running_container(replica);
  bool is_given_up = life != lives_.end() && life->second.is_given_up();
  if (is_given_up && running != nullptr && running->actual.spec == life->second.spec()) return std::nullopt;
  if (refusal == orders_->refusals.end()) {
    tell_state(replica, report);
  } else {
    // What runs on unverified is neither good nor bad news.
    if (running != nullptr) return std::nullopt;
    report.result.set_state(is_final(refusal->second.code) ? pb::REPLICA_CANNOT_RUN : pb::REPLICA_PREPARING);
    report.result.set_message(bounded_message(refusal->second.message));
  }
  if (report.result.state() == pb::REPLICA_UNSET) return std::nullopt;
  // What will soon be followed by better news can wait a moment: reports are at most one a second.
  bool is_passing = report.result.state() == pb::REPLICA_PREPARING;
  if (life != lives_.end() && report.result.state() == pb::REPLICA_RUNNING) {
    is_passing = !life->second.is_ready();
  }
  report.is_urgent = report.is_urgent || !is_passing;
  return report;
}

void Reconciler::tell_state(const ReplicaKey& replica, Report& report) const {
  pb::Result& result = report.result;
  if (auto portal = orders_->portals.find(replica); portal != orders_->portals.end()) {
    return tell_portal(replica, portal->second, result);
  }
  auto life = lives_.find(replica);
  auto volume = volume_lives_.find(replica);
  bool has_volume = orders_->volumes.contains(replica);
  bool is_there = volumes_.contains(replica);
  bool is_lost = has_volume && !is_there && volume != volume_lives_.end() && volume->second.given_up;
  std::string volume_message = !has_volume ? ""
                               : volume != volume_lives_.end() ? volume->second.message : disk_warning(replica, true);
  // A volume by itself; or one that is its container's own, and there is none without it.
  if (life == lives_.end() || is_lost) {
    if (!has_volume) return;
    result.set_state(is_lost ? pb::REPLICA_CANNOT_RUN : is_there ? pb::REPLICA_RUNNING : pb::REPLICA_PREPARING);
    result.set_message(volume_message);
    return;
  }
  result.set_state(life->second.state());
  result.set_message(life->second.message());
  if (life->second.is_running() && result.message().empty()) result.set_message(disk_warning(replica, false));
  if (result.message().empty()) result.set_message(volume_message);
  result.set_restarts(life->second.restarts());
  tell_set(replica, report);
}

std::vector<Report> Reconciler::reports() const {
  std::vector<Report> reports;
  if (!orders_) return reports;
  for (const auto& [replica, assigned] : orders_->assigned) {
    if (std::optional<Report> report = report_of(replica, assigned)) reports.push_back(std::move(*report));
  }
  // The end of a contract: with its volumes nothing of it is left here.
  for (const ContractId& contract : orders_->desired.erase) {
    if (!is_gone(contract)) continue;
    Report report{.replica = {contract, "", 0}, .is_urgent = true};
    report.result.set_contract(contract.bytes());
    report.result.set_state(pb::REPLICA_STOPPED);
    reports.push_back(std::move(report));
  }
  return reports;
}

bool Reconciler::is_gone(const ContractId& contract) const {
  auto is_of = [&](const ReplicaKey& replica) { return replica.contract == contract; };
  for (const auto& [id, tracked] : containers_) {
    if (is_of(tracked.actual.replica)) return false;
  }
  for (const auto& [volume, size] : volumes_) {
    if (is_of(volume)) return false;
  }
  for (const auto& [id, flight] : in_flight_) {
    if (is_of(flight.job.replica)) return false;
  }
  std::string first_id = container_id({contract, "", 0});
  std::string_view prefix = std::string_view(first_id).substr(0, first_id.find('-') + 1);
  auto disk = disks_.lower_bound(std::string(prefix));
  return disk == disks_.end() || !disk->first.starts_with(prefix);
}

bool Reconciler::has_left_what_moved() const {
  if (!orders_) return false;
  for (const auto& [id, tracked] : containers_) {
    if (!orders_->assigned.contains(tracked.actual.replica)) return false;
  }
  // What is being started may run already.
  for (const auto& [id, flight] : in_flight_) {
    if (flight.job.kind == JobKind::Start && !orders_->assigned.contains(flight.job.replica)) return false;
  }
  return true;
}

// What runs unverified, or as an older agent left it, has an image that nobody here can name.
std::optional<std::set<std::string>> Reconciler::used_images() const {
  if (!orders_ || orders_->is_remembered) return std::nullopt;
  std::set<std::string> used;
  for (const auto& [id, tracked] : containers_) {
    if (tracked.image.empty()) return std::nullopt;
    used.insert(tracked.image);
  }
  for (const auto& [id, flight] : in_flight_) {
    if (flight.job.task) used.insert(flight.job.task->container->image().digest());
  }
  for (const auto& [replica, task] : orders_->containers) used.insert(task.container->image().digest());
  return used;
}

std::vector<Reconciler::Running> Reconciler::running() const {
  std::vector<Running> running;
  for (const auto& [id, tracked] : containers_) {
    if (tracked.actual.running) running.push_back({id, tracked.actual.replica, tracked.actual.epoch});
  }
  return running;
}

}  // namespace mcloud::node
