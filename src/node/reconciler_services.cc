// What follows from who serves: names, what gateways lead to; and replicas that are a place in a network only.
#include <algorithm>

#include "node/local_networks.h"
#include "node/reconciler.h"

namespace mcloud::node {
namespace {

constexpr uint64_t kRetryMs = 1'000;
constexpr uint64_t kLookMs = 500;
constexpr uint64_t kTendMs = 2'000;
constexpr uint64_t kFailuresMax = 5;

}  // namespace

// Of those here what they say themselves, of the others what the ledger has heard, unless their node is silent to us.
Reconciler::Standing Reconciler::standing() const {
  Standing now;
  for (const auto& [id, tracked] : containers_) {
    const ReplicaKey& replica = tracked.actual.replica;
    if (!tracked.actual.running || leaving_.contains(id)) continue;
    auto life = lives_.find(replica);
    bool is_old = life == lives_.end() || life->second.spec() != tracked.actual.spec;
    if (!is_old && !life->second.may_serve()) continue;
    now.ready.insert(replica);
    if (may_serve_set(replica)) now.serving.insert(replica);
  }
  if (!orders_) return now;
  for (const auto& [replica, elsewhere] : orders_->elsewhere) {
    if (!elsewhere.is_ready || silent_.contains(elsewhere.node)) continue;
    now.ready.insert(replica);
    if (elsewhere.leads) now.serving.insert(replica);
  }
  return now;
}

void Reconciler::set_silent(std::set<NodeId> nodes) { silent_ = std::move(nodes); }

void Reconciler::Service::failed(uint64_t now_ms) {
  is_due = true;
  hold_until_ms = now_ms + std::min(kRetryMs << std::min<uint64_t>(failures++, 5), uint64_t{30'000});
}

void Reconciler::services_changed() { names_.is_due = gateways_.is_due = true; }

void Reconciler::add_service_jobs(uint64_t now_ms, std::vector<Job>& jobs) {
  if (!orders_) return;
  if (Standing now = standing(); now != standing_) {
    standing_ = std::move(now);
    services_changed();
  }
  auto may_begin = [&](const Service& service, JobKind kind) {
    return service.is_due && service.hold_until_ms <= now_ms && is_free(kind);
  };
  if (may_begin(names_, JobKind::SetNames)) {
    names_.is_due = false;
    begin({.kind = JobKind::SetNames, .names = names_now(*orders_, standing_.ready)}, now_ms, jobs);
  }
  if (may_begin(gateways_, JobKind::SetGateways)) {
    gateways_.is_due = false;
    begin({.kind = JobKind::SetGateways, .gateway = gateway_now(*orders_, standing_.serving), .tunnel = orders_->tunnel},
          now_ms, jobs);
  }
  if (!orders_->gateway.sites().empty() && next_look_ms_ <= now_ms) begin({.kind = JobKind::LookAtGateway}, now_ms, jobs);
  if (has_networks() && next_tend_ms_ <= now_ms) begin({.kind = JobKind::TendNetworks}, now_ms, jobs);
}

bool Reconciler::has_networks() const { return !orders_->networks.empty() || orders_->mesh.has_self(); }

void Reconciler::service_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms) {
  if (job.kind == JobKind::LookAtGateway) {
    next_look_ms_ = now_ms + kLookMs;
    if (outcome.status.has_value()) gateway_state_ = outcome.gateway;
    return;
  }
  if (job.kind == JobKind::TendNetworks) {
    next_tend_ms_ = now_ms + kTendMs;
    return;
  }
  Service& service = job.kind == JobKind::SetNames ? names_ : gateways_;
  if (outcome.status.has_value()) {
    service.failures = service.hold_until_ms = 0;
  } else {
    service.failed(now_ms);
  }
}

uint64_t Reconciler::next_service_ms(uint64_t now_ms) const {
  uint64_t next = UINT64_MAX;
  if (!orders_) return next;
  for (const Service* service : {&names_, &gateways_}) {
    if (service->is_due) next = std::min(next, std::max(service->hold_until_ms, now_ms + 1));
  }
  if (!orders_->gateway.sites().empty() && is_free(JobKind::LookAtGateway))
    next = std::min(next, std::max(next_look_ms_, now_ms + 1));
  if (has_networks() && is_free(JobKind::TendNetworks)) next = std::min(next, std::max(next_tend_ms_, now_ms + 1));
  return next;
}

// "Runs" when its place in each of its networks is made; a site when its gateway process says so as well.
void Reconciler::tell_portal(const ReplicaKey& replica, const PortalTask& portal, pb::Result& result) const {
  auto set = networks_.find(replica.contract);
  bool is_attached = std::all_of(portal.netns.begin(), portal.netns.end(), [&](const std::string& netns) {
    return set != networks_.end() && is_member(set->second.local, netns);
  });
  if (!is_attached) {
    auto life = network_lives_.find(replica.contract);
    bool has_failed = life != network_lives_.end() && life->second.failures > 0;
    bool is_final_now = has_failed && (is_final(life->second.error.code) || life->second.failures >= kFailuresMax);
    result.set_state(is_final_now ? pb::REPLICA_CANNOT_RUN : pb::REPLICA_PREPARING);
    if (has_failed) result.set_message(bounded_message("network: " + life->second.error.message));
    return;
  }
  result.set_state(pb::REPLICA_HEALTHY);
  if (!portal.is_site) return;
  for (const pb::SiteState& site : gateway_state_.sites()) {
    if (site.contract() != replica.contract.view() || site.workload() != replica.workload) continue;
    result.set_state(site.serves() ? pb::REPLICA_HEALTHY : pb::REPLICA_UNHEALTHY);
    result.set_message(bounded_message(site.message()));
    return;
  }
  result.set_state(gateway_state_.message().empty() ? pb::REPLICA_PREPARING : pb::REPLICA_UNHEALTHY);
  result.set_message(bounded_message(gateway_state_.message().empty() ? "waits for the gateway's process" : gateway_state_.message()));
}

}  // namespace mcloud::node
