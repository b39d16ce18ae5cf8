// What is known of disks and volumes: looked at, told, and what takes too much is ended.
#include "node/reconciler.h"

namespace mcloud::node {

void Reconciler::watch_disks(uint64_t now_ms) {
  std::map<DiskSubject, uint64_t> bounds;
  if (orders_) {
    for (const auto& [id, tracked] : containers_) {
      auto task = orders_->containers.find(tracked.actual.replica);
      if (!tracked.actual.running || task == orders_->containers.end()) continue;
      uint64_t bound = task->second.facets->demand().disk_bytes();
      if (task->second.spec == tracked.actual.spec && bound > 0) bounds[{tracked.actual.replica, false}] = bound;
    }
    for (const auto& [replica, volume] : orders_->volumes) {
      if (volumes_.contains(replica) && volume.size_bytes > 0) bounds[{replica, true}] = volume.size_bytes;
    }
  }
  disk_watch_.set(bounds, now_ms);
}

void Reconciler::add_measures(uint64_t now_ms, std::vector<Job>& jobs) {
  for (const DiskSubject& subject : disk_watch_.due(now_ms)) {
    size_t before = jobs.size();
    std::string container = subject.is_volume ? "" : container_id(subject.replica);
    begin({.kind = JobKind::Measure, .replica = subject.replica, .container = container}, now_ms, jobs);
    if (jobs.size() > before) disk_watch_.begun(subject, now_ms);
  }
}

void Reconciler::measure_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms) {
  DiskSubject subject{job.replica, job.container.empty()};
  disk_watch_.measured(subject, outcome.status.has_value() ? Result<DiskUsage>(outcome.usage) : outcome.status.error(),
                       now_ms);
  std::optional<std::string> excess = disk_watch_.excess(subject);
  if (!excess || !orders_) return;
  if (!subject.is_volume) {
    // A volume is never emptied by us; what a container wrote beside it is its own and goes with it.
    if (give_up_running(job.replica, "disk: " + *excess)) spent_disks_.insert(job.container);
    return;
  }
  for (const auto& [replica, task] : orders_->containers) {
    for (const auto& [path, volume] : task.volumes) {
      if (volume == subject.replica) give_up_running(replica, "volume " + volume.workload + ": " + *excess);
    }
  }
}

bool Reconciler::give_up_running(const ReplicaKey& replica, const std::string& message) {
  auto life = lives_.find(replica);
  if (life == lives_.end() || !life->second.is_running()) return false;
  life->second.give_up(message);
  return true;
}

std::string Reconciler::disk_warning(const ReplicaKey& replica, bool is_volume) const {
  DiskSubject subject{replica, is_volume};
  std::string what = is_volume ? "volume: " : "disk: ";
  if (std::optional<std::string> excess = disk_watch_.excess(subject)) return what + *excess;
  std::string warning = disk_watch_.warning(subject);
  return warning.empty() ? "" : what + warning;
}

}  // namespace mcloud::node
