// Time that passes only when a test says so.
#pragma once

#include "base/world.h"

namespace mcloud::testing {

// Not thread-safe.
class SimulatedClock final : public Clock {
 public:
  // Both may not start at 0, so that "never" and "at the start" differ.
  explicit SimulatedClock(uint64_t monotonic_ms = 1'000'000, uint64_t wall_ms = 1'700'000'000'000)
      : monotonic_ms_(monotonic_ms), wall_ms_(wall_ms) {}

  uint64_t monotonic_ms() const override { return monotonic_ms_; }
  uint64_t wall_ms() const override { return wall_ms_; }

  void advance(uint64_t ms) {
    monotonic_ms_ += ms;
    wall_ms_ += ms;
  }
  // Somebody set the machine's clock; the monotonic one does not move.
  void set_wall(uint64_t ms) { wall_ms_ = ms; }

 private:
  uint64_t monotonic_ms_;
  uint64_t wall_ms_;
};

}  // namespace mcloud::testing
