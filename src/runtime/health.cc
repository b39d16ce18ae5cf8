#include "runtime/health.h"

#include <algorithm>

namespace mcloud::runtime {

const char* health_name(HealthState state) {
  switch (state) {
    case HealthState::Starting: return "starting";
    case HealthState::Healthy: return "healthy";
    case HealthState::Unhealthy: return "unhealthy";
  }
  return "";
}

Health::Health(const HealthPolicy& policy, uint64_t started_ms)
    : policy_(policy), started_ms_(started_ms), since_ms_(started_ms), next_probe_ms_(started_ms),
      pause_ms_(std::min(kFirstProbeMs, policy.interval_ms)) {}

// Asking more often than the interval at first must not make it give up sooner.
uint64_t Health::patience_end_ms() const {
  uint64_t tries_before_last = policy_.retries > 0 ? policy_.retries - 1 : 0;
  return started_ms_ + policy_.start_period_ms + tries_before_last * policy_.interval_ms;
}

bool Health::report(uint64_t now_ms, bool success) {
  HealthState before = state_;
  if (success) {
    failures_ = 0;
    state_ = HealthState::Healthy;
  } else if (state_ != HealthState::Starting || now_ms >= patience_end_ms()) {
    if (failures_ < UINT32_MAX) ++failures_;
    if (state_ == HealthState::Starting || failures_ >= policy_.retries) state_ = HealthState::Unhealthy;
  }
  if (state_ != HealthState::Starting) pause_ms_ = policy_.interval_ms;
  next_probe_ms_ = now_ms + pause_ms_;
  pause_ms_ = std::min(pause_ms_ * 2, policy_.interval_ms);
  if (state_ == before) return false;
  since_ms_ = now_ms;
  return true;
}

}  // namespace mcloud::runtime
