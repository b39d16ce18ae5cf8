#include "sim/agent.h"

#include <algorithm>

#include "contract/header.h"
#include "crypto/hash.h"
#include "ledger/state/records.h"
#include "wire/canonical.h"

namespace mcloud::sim {
namespace {

using node::ReplicaKey;
using node::StepKind;

constexpr uint64_t kResendMs = 2000;
constexpr uint64_t kReportGapMs = 1000;

// What makes it another process: two versions with the same are adopted in place.
Hash spec_of(const pb::ContractHeader& header, const pb::Facets& facets) {
  return crypto::blake2b(header.body_hash() + wire::encode(facets.demand()));
}

std::string step_key(const node::Step& step) {
  return std::to_string(static_cast<int>(step.kind)) + node::describe(step.replica) + step.container;
}

}  // namespace

std::shared_ptr<const View> read_view(const Chain& chain, const Judge& judge, const std::string& name) {
  const ledger::MemoryState& state = chain.state();
  const NodeId& id = id_named(name);
  auto view = std::make_shared<View>();
  view->height = chain.height();
  view->last_sequence = chain.last_sequence(id);
  view->node = ledger::load<pb::Node>(state, ledger::keys::node(id)).value();
  auto assignment = ledger::load<pb::Assignment>(state, ledger::keys::assignment(id)).value();
  for (const pb::AssignedContract& assigned : assignment.contracts()) {
    ContractId contract = ledger::contract_id_of(assigned.contract());
    if (assigned.erase_volumes()) view->erase.insert(contract);
    std::map<std::string, pb::Workload> workloads;
    for (const pb::AssignedReplica& replica : assigned.replicas()) {
      auto [workload, is_new] = workloads.try_emplace(replica.workload());
      if (is_new) {
        workload->second = *ledger::load<pb::Workload>(state, ledger::keys::workload(contract, replica.workload()));
      }
      const pb::ContractHeader* header = judge.header(contract, replica.version());
      View::Replica& told = view->replicas[{contract, replica.workload(), replica.index()}];
      told.epoch = replica.epoch();
      told.version = replica.version();
      told.state = workload->second.replicas(static_cast<int>(replica.index())).state();
      told.facets = contract::find_facets(*header, replica.workload());
      told.spec = spec_of(*header, *told.facets);
      if (told.facets->has_set()) told.set = std::make_shared<const pb::Workload>(workload->second);
    }
  }
  return view;
}

Agent::Agent(World world, std::string name)
    : world_(world),
      name_(std::move(name)),
      id_(id_named(name_)),
      clock_permille_(1000 - world.scenario.skew_permille + world.random.below(2 * world.scenario.skew_permille + 1)) {}

void Agent::after_own(uint64_t ms, std::function<void()> act) {
  world_.clock.after(ms * 1000 / clock_permille_, std::move(act));
}

void Agent::start() {
  beat();
  tick_copies();
  poll();
}

// ---- life and death ------------------------------------------------------------------------------

void Agent::crash_machine() {
  is_machine_up_ = false;
  ++boots_;
  for (const auto& [id, container] : containers_) world_.judge.stopped(id_, container.actual.replica);
  containers_.clear();
  for (auto& [key, disk] : disks_) disk.lose_power(world_.random.below(4));
  crash_agent();
}

void Agent::boot_machine() {
  is_machine_up_ = true;
  beat();
  tick_copies();
  restart_agent();
}

void Agent::crash_agent() {
  is_agent_up_ = false;
  ++lives_;
  view_.reset();
  heard_ms_ = 0;
  busy_.clear();
  given_up_.clear();
  broken_.clear();
  members_.clear();
  told_sets_.clear();
  sent_sequence_ = 0;
}

void Agent::restart_agent() {
  if (!is_machine_up_ || is_agent_up_) return;
  is_agent_up_ = true;
  turn();
  poll();
}

// The heartbeat is a process of its own: it does not die with the agent.
void Agent::beat() {
  if (!is_machine_up_) return;
  uint64_t counter = ++beats_;
  for (int i = 0; i < world_.scenario.validators; ++i) {
    world_.network.send(name_, "v" + std::to_string(i),
                        [this, i, counter] { world_.chain.heartbeat(i, name_, counter); });
  }
  after_own(world_.scenario.fence_after_ms / 5, [this, boot = boots_] {
    if (boot == boots_) beat();
  });
}

// ---- the ledger's word ---------------------------------------------------------------------------

void Agent::poll() {
  if (!is_agent_up_) return;
  uint64_t asked_ms = world_.clock.now();
  uint64_t life = lives_;
  world_.network.send(name_, "ledger", [this, asked_ms, life] {
    if (!world_.chain.is_up()) return;
    // Between two blocks it is the same.
    if (!newest_ || newest_->height != world_.chain.height()) newest_ = read_view(world_.chain, world_.judge, name_);
    std::shared_ptr<const View> view = newest_;
    world_.network.send("ledger", name_, [this, view, asked_ms, life] {
      if (life == lives_ && is_agent_up_) arrive(view, asked_ms);
    });
  });
  world_.clock.after(100 + world_.random.below(400), [this, life] {
    if (life != lives_) return;
    turn();
    poll();
  });
}

void Agent::arrive(const std::shared_ptr<const View>& view, uint64_t asked_ms) {
  if (asked_ms > heard_ms_) {
    heard_ms_ = asked_ms;
    // When no answer comes any more, what is to stop is stopped in time.
    uint64_t silent_ms = own_ms(world_.clock.now() - heard_ms_);
    uint64_t limit_ms = node::isolation_limit_ms(world_.scenario.fence_after_ms);
    after_own(limit_ms - std::min(limit_ms, silent_ms) + 1, [this, life = lives_] {
      if (life == lives_) turn();
    });
  }
  if (view->height < height_max_) return;  // never older than what was verified before
  height_max_ = view->height;
  view_ = view;
  for (const auto& [key, replica] : view->replicas) {
    if (replica.set) routes_[key] = replica.set;
  }
  turn();
}

node::Contact Agent::contact() const {
  if (heard_ms_ == 0) return node::Contact::Lost;
  uint64_t silent_ms = own_ms(world_.clock.now() - heard_ms_);
  return node::contact_at(1 + silent_ms, 1, world_.scenario.fence_after_ms);
}

const View::Replica* Agent::told(const ReplicaKey& replica) const {
  if (!view_) return nullptr;
  auto found = view_->replicas.find(replica);
  return found == view_->replicas.end() ? nullptr : &found->second;
}

bool Agent::is_volume(const ReplicaKey& replica) const { return told(replica)->facets->kind() == "volume"; }

// ---- plan and act --------------------------------------------------------------------------------

node::Desired Agent::desired() const {
  node::Desired desired;
  if (!view_) return desired;
  desired.known = true;
  desired.erase = view_->erase;
  for (const auto& [key, replica] : view_->replicas) {
    if (is_volume(key)) {
      desired.volumes[key] = {replica.facets->demand().disk_bytes()};
      continue;
    }
    node::DesiredContainer& container = desired.containers[key];
    container.epoch = replica.epoch;
    container.version = replica.version;
    container.spec = replica.spec;
    container.stop_on_isolation = replica.facets->on_isolation() == pb::ISOLATION_STOP;
    for (const std::string& volume : replica.facets->with())
      container.volumes.push_back({key.contract, volume, key.index});
  }
  return desired;
}

node::Actual Agent::actual() const {
  node::Actual actual;
  for (const auto& [id, container] : containers_) actual.containers.push_back(container.actual);
  actual.volumes = volumes_;
  actual.prepared = prepared_;
  for (const auto& [key, epoch] : given_up_) {
    const View::Replica* replica = told(key);
    if (replica == nullptr || replica->epoch != epoch) continue;
    actual.held.insert(key);
    if (broken_.contains(key)) actual.given_up.insert(key);
  }
  return actual;
}

bool Agent::break_down() {
  if (!is_agent_up_ || containers_.empty()) return false;
  auto chosen = containers_.begin();
  std::advance(chosen, static_cast<std::ptrdiff_t>(world_.random.below(containers_.size())));
  const node::ActualContainer& runs = chosen->second.actual;
  const View::Replica* replica = told(runs.replica);
  if (replica == nullptr || replica->epoch != runs.epoch) return false;
  given_up_[runs.replica] = runs.epoch;
  broken_.insert(runs.replica);
  turn();
  return true;
}

void Agent::turn() {
  if (!is_agent_up_) return;
  for (const auto& [id, container] : containers_) {
    if (!container.actual.stop_on_isolation || heard_ms_ == 0) continue;
    world_.judge.check_isolation(id_, container.actual.replica, world_.clock.now() - heard_ms_);
  }
  for (const node::Step& step : node::plan(desired(), actual(), contact())) {
    if (step.after.empty() && !busy_.contains(step_key(step))) begin(step);
  }
  tend_members();
  erase_disks();
  report();
}

void Agent::begin(const node::Step& step) {
  busy_.insert(step_key(step));
  uint64_t takes_ms = step.kind == StepKind::StopContainer
                          ? 1 + world_.random.below(world_.scenario.fence_after_ms / 10)
                          : 1 + world_.random.below(60);
  world_.clock.after(takes_ms, [this, step, life = lives_] {
    if (life != lives_) return;  // the agent died; what it had begun is not done
    busy_.erase(step_key(step));
    finish(step);
    turn();
  });
}

void Agent::finish(const node::Step& step) {
  switch (step.kind) {
    case StepKind::AdoptEpoch: {
      auto found = containers_.find(step.container);
      if (found == containers_.end()) return;
      found->second.actual.epoch = step.epoch;
      found->second.actual.version = step.version;
      return world_.judge.started({id_, step.replica, step.epoch, step.version});
    }
    case StepKind::StopContainer: containers_.erase(step.container); return world_.judge.stopped(id_, step.replica);
    case StepKind::EraseVolume: volumes_.erase(step.replica); return world_.judge.erased(step.replica);
    case StepKind::EnsureVolume: volumes_[step.replica] = step.size_bytes; return;
    case StepKind::PrepareImage:
      if (is_refusing_) {
        given_up_[step.replica] = step.epoch;
      } else {
        prepared_[step.replica] = step.spec;
      }
      return;
    case StepKind::StartContainer: return start_container(step);
    case StepKind::RemoveNetwork:
    case StepKind::SetNetwork: return;
  }
}

void Agent::start_container(const node::Step& step) {
  const View::Replica* replica = told(step.replica);
  // The order was given by the view of then; what is not asked any more is not begun.
  if (replica == nullptr || replica->epoch != step.epoch || contact() == node::Contact::Lost) return;
  std::string id = step.container.empty() ? "c" + std::to_string(++containers_made_) : step.container;
  Container& container = containers_[id];
  container.actual = {.id = id,
                      .replica = step.replica,
                      .epoch = step.epoch,
                      .version = step.version,
                      .spec = step.spec,
                      .stop_on_isolation = replica->facets->on_isolation() == pb::ISOLATION_STOP,
                      .running = true};
  for (const std::string& volume : replica->facets->with()) {
    container.actual.volumes.push_back({step.replica.contract, volume, step.replica.index});
  }
  container.healthy_ms = world_.clock.now() + world_.random.below(500);
  if (replica->facets->has_set()) start_copy(step.replica, container);
  world_.judge.started({id_, step.replica, step.epoch, step.version});
}

// ---- reports -------------------------------------------------------------------------------------

pb::ReplicaState Agent::state_of(const ReplicaKey& replica, const View::Replica& told) const {
  auto given_up = given_up_.find(replica);
  if (given_up != given_up_.end() && given_up->second == told.epoch) return pb::REPLICA_CANNOT_RUN;
  if (is_volume(replica)) return volumes_.contains(replica) ? pb::REPLICA_RUNNING : pb::REPLICA_PREPARING;
  for (const auto& [id, container] : containers_) {
    const node::ActualContainer& runs = container.actual;
    if (runs.replica != replica || runs.epoch != told.epoch || runs.version != told.version) continue;
    bool is_healthy = told.facets->has_health() && container.healthy_ms <= world_.clock.now();
    return is_healthy ? pb::REPLICA_HEALTHY : pb::REPLICA_RUNNING;
  }
  return pb::REPLICA_PREPARING;
}

void Agent::report() {
  if (!view_ || contact() == node::Contact::Lost) return;
  if (view_->node.state() == pb::NODE_FENCED) {
    send([&](pb::Transaction& transaction) {
      pb::RejoinNode& rejoin = *transaction.mutable_rejoin_node();
      rejoin.set_node_epoch(view_->node.epoch());
      *rejoin.mutable_capacity() = view_->node.capacity();
      *rejoin.mutable_addresses() = view_->node.addresses();
    });
    return;
  }
  std::vector<pb::Result> results;
  for (const auto& [key, replica] : view_->replicas) {
    pb::ReplicaState state = state_of(key, replica);
    bool is_written_off = replica.state == pb::REPLICA_CANNOT_RUN || replica.state == pb::REPLICA_STUCK;
    if (is_volume(key) && state == pb::REPLICA_RUNNING)
      world_.judge.has_volume({id_, key, replica.epoch, replica.version});
    std::optional<pb::SetReport> set = set_news(key);
    if ((state == replica.state && !set) || is_written_off) continue;
    pb::Result& result = results.emplace_back();
    if (set) *result.mutable_set() = *set;
    result.set_contract(key.contract.bytes());
    result.set_workload(key.workload);
    result.set_index(key.index);
    result.set_epoch(replica.epoch);
    result.set_version(replica.version);
    result.set_state(state);
  }
  for (const ContractId& contract : view_->erase) {
    auto of_contract = [&](const auto& entry) { return entry.first.contract == contract; };
    if (std::any_of(volumes_.begin(), volumes_.end(), of_contract)) continue;
    pb::Result& result = results.emplace_back();
    result.set_contract(contract.bytes());
    result.set_state(pb::REPLICA_STOPPED);
  }
  if (results.empty() || world_.clock.now() < sent_ms_ + kReportGapMs) return;
  if (!send([&](pb::Transaction& transaction) {
        for (const pb::Result& result : results) *transaction.mutable_report_results()->add_results() = result;
      })) {
    return;
  }
  for (const pb::Result& result : results) {
    if (!result.has_set()) continue;
    told_sets_[{ledger::contract_id_of(result.contract()), result.workload(), result.index()}] =
        {wire::encode(result.set()), sent_sequence_, sent_ms_};
  }
}

// One at a time: the next when the ledger shows that this one was executed, or it seems lost.
bool Agent::send(const Fill& fill) {
  bool in_flight = sent_sequence_ > view_->last_sequence && world_.clock.now() < sent_ms_ + kResendMs;
  if (in_flight) return false;
  sent_sequence_ = view_->last_sequence + 1;
  sent_ms_ = world_.clock.now();
  Bytes bytes = sign(name_, sent_sequence_, fill);
  world_.network.send(name_, "ledger", [this, bytes] { world_.chain.submit(bytes); });
  return true;
}

std::optional<std::string> Agent::check_settled() const {
  std::shared_ptr<const View> now = read_view(world_.chain, world_.judge, name_);
  std::map<ReplicaKey, int> running;
  for (const auto& [id, container] : containers_) {
    const node::ActualContainer& runs = container.actual;
    auto want = now->replicas.find(runs.replica);
    std::string what = "node " + name_ + " runs " + node::describe(runs.replica);
    if (want == now->replicas.end()) return what + ", which is not its to run";
    if (want->second.epoch != runs.epoch || want->second.version != runs.version)
      return what + " in an old version or epoch";
    if (++running[runs.replica] > 1) return what + " twice";
  }
  for (const auto& [key, replica] : now->replicas) {
    if (replica.facets->kind() == "volume" || running.contains(key)) continue;
    return "node " + name_ + " does not run " + node::describe(key);
  }
  return std::nullopt;
}

}  // namespace mcloud::sim
