// Is a container healthy: the pure state machine. runtime/probe.h asks the container.
//
// Until the first success it is Starting and asked often (after kFirstProbeMs, then doubled up to the
// interval), so a quick service is ready quickly. It becomes Unhealthy by a failure after
// start_period_ms and the time that `retries` probes at the interval take (start_period + (retries - 1) x
// interval); once it was healthy, by `retries` failures in a row. One success makes it Healthy.
#pragma once

#include <cstdint>

namespace mcloud::runtime {

struct HealthPolicy {
  uint64_t interval_ms = 10'000;  // from the end of one probe to the start of the next
  uint64_t timeout_ms = 2'000;    // of one probe
  uint64_t start_period_ms = 0;
  uint32_t retries = 3;           // >= 1
};

enum class HealthState { Starting, Healthy, Unhealthy };
const char* health_name(HealthState state);  // "starting", "healthy", "unhealthy"

// Times are milliseconds of one monotonic clock.
class Health {
 public:
  static constexpr uint64_t kFirstProbeMs = 25;

  Health(const HealthPolicy& policy, uint64_t started_ms);

  uint64_t next_probe_ms() const { return next_probe_ms_; }
  // A probe ended. True when the state changed.
  bool report(uint64_t now_ms, bool success);

  HealthState state() const { return state_; }
  uint64_t since_ms() const { return since_ms_; }  // when the state was entered
  uint32_t failures() const { return failures_; }  // in a row

 private:
  uint64_t patience_end_ms() const;

  HealthPolicy policy_;
  uint64_t started_ms_;
  uint64_t since_ms_;
  uint64_t next_probe_ms_;
  uint64_t pause_ms_;
  uint32_t failures_ = 0;
  HealthState state_ = HealthState::Starting;
};

}  // namespace mcloud::runtime
