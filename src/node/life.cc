#include "node/life.h"

#include <algorithm>

#include "base/units.h"

namespace mcloud::node {
namespace {

constexpr uint64_t kStepPauseMs = 500;  // after the first failed step; doubles
constexpr uint64_t kStepPauseMaxMs = 30'000;
constexpr size_t kMessageMax = 200;

runtime::RestartPolicy policy_of(const pb::Restart& restart) {
  runtime::RestartPolicy policy;
  switch (restart.when()) {
    case pb::RESTART_ON_FAILURE: policy.when = runtime::RestartWhen::OnFailure; break;
    case pb::RESTART_NEVER: policy.when = runtime::RestartWhen::Never; break;
    default: policy.when = runtime::RestartWhen::Always;
  }
  policy.backoff_ms = restart.backoff_ms();
  policy.backoff_max_ms = restart.backoff_max_ms();
  policy.tries_max = restart.tries_max();
  return policy;
}

bool equal(const runtime::RestartPolicy& a, const runtime::RestartPolicy& b) {
  return a.when == b.when && a.backoff_ms == b.backoff_ms && a.backoff_max_ms == b.backoff_max_ms &&
         a.tries_max == b.tries_max;
}

std::optional<runtime::HealthPolicy> policy_of(const pb::ContainerBody& container) {
  if (!container.has_health()) return std::nullopt;
  const pb::Health& health = container.health();
  return runtime::HealthPolicy{.interval_ms = health.interval_ms(), .timeout_ms = health.timeout_ms(),
                               .start_period_ms = health.start_period_ms(),
                               .retries = std::max<uint32_t>(health.retries(), 1)};
}

bool equal(const std::optional<runtime::HealthPolicy>& a, const std::optional<runtime::HealthPolicy>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
                a->start_period_ms == b->start_period_ms && a->retries == b->retries);
}

std::string end_message(const Life::End& end) {
  if (end.out_of_memory) return "out of memory: the kernel ended it at its limit";
  if (!end.exit_code) return "it ended and nobody saw how";
  if (*end.exit_code > 128) return "ended by signal " + std::to_string(*end.exit_code - 128);
  return "exited with code " + std::to_string(*end.exit_code);
}

}  // namespace

bool is_final(Code code) {
  switch (code) {
    case Code::NotFound:
    case Code::Invalid:
    case Code::Corrupt:
    case Code::Denied:
    case Code::Unsupported: return true;
    case Code::AlreadyExists:
    case Code::Conflict:
    case Code::Unavailable:
    case Code::TimedOut:
    case Code::Cancelled:
    case Code::Exhausted:
    case Code::Internal: return false;
  }
  return false;
}

std::string bounded_message(std::string_view text) {
  std::string message(text.substr(0, kMessageMax));
  // Much of it comes from strangers' programs: only ASCII can be neither torn nor malformed.
  for (char& c : message) {
    unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = ' ';
    if (byte >= 0x80) c = '?';
  }
  return message;
}

Life::Life(const ContainerTask& task, uint32_t restarts)
    : spec_(task.spec), epoch_(task.epoch), restart_count_(restarts),
      restart_policy_(policy_of(task.container->restart())), restarts_(restart_policy_) {
  health_policy_ = policy_of(*task.container);
}

void Life::update(const ContainerTask& task) {
  set_policies(task);
  if (task.epoch == epoch_) return;
  epoch_ = task.epoch;
  if (phase_ == Phase::GivenUp) {
    phase_ = Phase::Waiting;
    message_.clear();
    hold_until_ms_ = 0;
    step_failures_ = 0;
    restarts_ = runtime::Restarts(restart_policy_);
  }
}

void Life::set_policies(const ContainerTask& task) {
  runtime::RestartPolicy restart = policy_of(task.container->restart());
  if (!equal(restart, restart_policy_)) {
    restart_policy_ = restart;
    restarts_ = runtime::Restarts(restart);
  }
  std::optional<runtime::HealthPolicy> health = policy_of(*task.container);
  if (equal(health, health_policy_)) return;
  is_trusted_ = is_ready();
  health_policy_ = health;
  health_.reset();
  if (health && phase_ == Phase::Running) health_.emplace(*health, started_ms_);
}

void Life::started(uint64_t now_ms) {
  restart_count_ = restarts_after_start();
  adopted(now_ms, 0);
  is_trusted_ = false;
}

void Life::adopted(uint64_t now_ms, uint64_t running_ms) {
  phase_ = Phase::Running;
  has_run_ = true;
  is_trusted_ = true;
  step_failures_ = 0;
  hold_until_ms_ = 0;
  message_.clear();
  started_ms_ = now_ms - std::min(running_ms, now_ms);
  health_.reset();
  if (health_policy_) health_.emplace(*health_policy_, now_ms);
}

void Life::ended(uint64_t now_ms, const End& end) {
  uint64_t healthy_ms = end.ran_ms;
  if (phase_ == Phase::Running && health_) {
    bool was_healthy = health_->state() == runtime::HealthState::Healthy;
    healthy_ms = was_healthy ? now_ms - std::min(health_->since_ms(), now_ms) : 0;
  }
  has_run_ = true;
  health_.reset();
  message_ = bounded_message(end_message(end) + (end.note.empty() ? "" : "; " + end.note));
  int exit_code = end.exit_code.value_or(255);
  runtime::RestartDecision decision = restarts_.ended(now_ms, exit_code, healthy_ms);
  switch (decision.action) {
    case runtime::RestartDecision::Action::Restart:
      phase_ = Phase::Ended;
      hold_until_ms_ = decision.at_ms;
      return;
    case runtime::RestartDecision::Action::Finished:
      phase_ = Phase::Completed;
      if (exit_code == 0) message_.clear();
      return;
    case runtime::RestartDecision::Action::CannotRun:
      return give_up(message_ + ", " + std::to_string(restarts_.failures()) + " times in a row");
  }
}

void Life::stopped() {
  if (phase_ == Phase::Completed || phase_ == Phase::GivenUp) return;
  phase_ = Phase::Waiting;
  health_.reset();
}

void Life::failed(uint64_t now_ms, std::string_view doing, const Error& error) {
  std::string text = std::string(doing) + ": " + error.message;
  ++step_failures_;
  if (is_final(error.code) || step_failures_ >= kStepFailuresMax) return give_up(text);
  message_ = bounded_message(text);
  uint64_t pause = std::min(kStepPauseMs << std::min<uint32_t>(step_failures_ - 1, 10), kStepPauseMaxMs);
  hold_until_ms_ = now_ms + pause;
}

void Life::probed(uint64_t now_ms, const Status& outcome) {
  if (phase_ != Phase::Running || !health_) return;
  // The message of the first failure stays: it would otherwise be news, and a transaction, at every probe.
  if (!health_->report(now_ms, outcome.has_value())) return;
  message_ = outcome.has_value() ? "" : bounded_message("health check: " + outcome.error().message);
}

void Life::give_up(std::string_view message) {
  phase_ = Phase::GivenUp;
  message_ = bounded_message(message);
}

uint64_t Life::held_until_ms() const {
  if (phase_ == Phase::Completed || phase_ == Phase::GivenUp) return UINT64_MAX;
  return hold_until_ms_;
}

std::optional<uint64_t> Life::next_probe_ms() const {
  if (phase_ != Phase::Running || !health_) return std::nullopt;
  return health_->next_probe_ms();
}

bool Life::is_ready() const { return state() == pb::REPLICA_HEALTHY || (state() == pb::REPLICA_RUNNING && !health_policy_); }

bool Life::may_serve() const { return is_ready() || (is_trusted_ && state() == pb::REPLICA_RUNNING); }

pb::ReplicaState Life::state() const {
  switch (phase_) {
    case Phase::Waiting: return pb::REPLICA_PREPARING;
    case Phase::Ended: return pb::REPLICA_RESTARTING;
    case Phase::Completed: return pb::REPLICA_COMPLETED;
    case Phase::GivenUp: return pb::REPLICA_CANNOT_RUN;
    case Phase::Running: break;
  }
  if (!health_) return pb::REPLICA_RUNNING;
  switch (health_->state()) {
    case runtime::HealthState::Starting: return pb::REPLICA_RUNNING;
    case runtime::HealthState::Healthy: return pb::REPLICA_HEALTHY;
    case runtime::HealthState::Unhealthy: return pb::REPLICA_UNHEALTHY;
  }
  return pb::REPLICA_RUNNING;
}

}  // namespace mcloud::node
