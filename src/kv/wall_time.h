// The wall clock by which keys expire. Thread-safe.
//
// It never goes back: when somebody sets the machine's clock back, this one goes on from where it was, at the pace of
// the monotonic clock, so that no key that has expired is seen again. What it remembers ends with the process.
#pragma once

#include <algorithm>
#include <atomic>  // read by every thread that meets a key that expires
#include <cstdint>

#include "base/world.h"

namespace mcloud::kv {

class WallTime {
 public:
  explicit WallTime(const Clock& clock) : clock_(clock) {}

  // Milliseconds since 1970.
  uint64_t now_ms() {
    auto monotonic = static_cast<int64_t>(clock_.monotonic_ms());
    int64_t ahead = static_cast<int64_t>(clock_.wall_ms()) - monotonic;
    int64_t most = ahead_.load(std::memory_order_relaxed);
    while (ahead > most && !ahead_.compare_exchange_weak(most, ahead, std::memory_order_relaxed)) {
    }
    return static_cast<uint64_t>(monotonic + std::max(ahead, most));
  }

 private:
  const Clock& clock_;
  std::atomic<int64_t> ahead_{INT64_MIN};  // the most that the wall clock has been ahead of the monotonic one
};

}  // namespace mcloud::kv
