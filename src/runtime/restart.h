// When to start a container again: pure.
#pragma once

#include <cstdint>
#include <string>

namespace mcloud::runtime {

enum class RestartWhen { Always, OnFailure, Never };

struct RestartPolicy {
  RestartWhen when = RestartWhen::Always;
  uint64_t backoff_ms = 500;       // before the first restart, doubled for each further failure
  uint64_t backoff_max_ms = 60'000;
  uint32_t tries_max = 0;          // failures without 60 s of health between; 0 = no bound
};

struct RestartDecision {
  enum class Action {
    Restart,    // at at_ms
    Finished,   // it ended and is not to run again
    CannotRun,  // tries_max is reached: tell the ledger
  };
  Action action = Action::Restart;
  uint64_t at_ms = 0;
};

// The memory of one replica's failures. Times are milliseconds of one monotonic clock.
class Restarts {
 public:
  static constexpr uint64_t kHealthyAfterMs = 60'000;  // so long in health forgives what was before

  explicit Restarts(const RestartPolicy& policy) : policy_(policy) {}

  // A container ended (or could not be started: any non-zero exit code). `healthy_ms`: how long it was
  // healthy (running, when it has no health check) until then. An exit with 0 under Always is restarted
  // with the same pause but is no failure.
  RestartDecision ended(uint64_t now_ms, int exit_code, uint64_t healthy_ms);

  uint32_t failures() const { return failures_; }  // in a row

 private:
  RestartPolicy policy_;
  uint32_t failures_ = 0;
  uint32_t pauses_ = 0;
};

}  // namespace mcloud::runtime
