#include "runtime/restart.h"

#include <algorithm>

namespace mcloud::runtime {

RestartDecision Restarts::ended(uint64_t now_ms, int exit_code, uint64_t healthy_ms) {
  using Action = RestartDecision::Action;
  if (healthy_ms >= kHealthyAfterMs) {
    failures_ = 0;
    pauses_ = 0;
  }
  bool has_failed = exit_code != 0;
  if (has_failed) ++failures_;
  if (policy_.when == RestartWhen::Never) return {Action::Finished, 0};
  if (policy_.when == RestartWhen::OnFailure && !has_failed) return {Action::Finished, 0};
  if (has_failed && policy_.tries_max != 0 && failures_ >= policy_.tries_max) return {Action::CannotRun, 0};

  uint64_t pause_ms = policy_.backoff_ms;
  for (uint32_t i = 0; i < pauses_ && pause_ms < policy_.backoff_max_ms; ++i) pause_ms *= 2;
  ++pauses_;
  return {Action::Restart, now_ms + std::min(pause_ms, policy_.backoff_max_ms)};
}

}  // namespace mcloud::runtime
