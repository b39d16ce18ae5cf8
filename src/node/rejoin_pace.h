// Inside this room: when a fenced node may ask to rejoin. Who is fenced again and again right after it came back waits
// longer and longer; a ledger that does not answer is no reason to. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mcloud::node {

// Times are milliseconds of one monotonic clock.
class RejoinPace {
 public:
  static constexpr uint64_t kFirstMs = 1'000;
  static constexpr uint64_t kFailedMaxMs = 5'000;
  static constexpr uint64_t kTakenMaxMs = 60'000;

  uint64_t next_ms() const { return next_ms_; }

  void taken(uint64_t now_ms) {
    bool was_recent = last_ms_ != 0 && now_ms - last_ms_ < 2 * kTakenMaxMs;
    pause_ms_ = was_recent ? std::min(pause_ms_ * 2, kTakenMaxMs) : kFirstMs;
    last_ms_ = now_ms;
    failures_ = 0;
    next_ms_ = now_ms + pause_ms_;
  }
  void failed(uint64_t now_ms) {
    next_ms_ = now_ms + std::min(kFirstMs << std::min<uint64_t>(failures_++, 10), kFailedMaxMs);
  }

 private:
  uint64_t next_ms_ = 0;
  uint64_t last_ms_ = 0;  // taken
  uint64_t pause_ms_ = kFirstMs;
  uint64_t failures_ = 0;
};

}  // namespace mcloud::node
