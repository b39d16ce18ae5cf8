#include "image/stores/health.h"

#include <algorithm>

namespace mcloud::image {
namespace {

constexpr uint64_t kBackoffMinMs = 500;
constexpr uint64_t kBackoffMaxMs = 30'000;
constexpr uint64_t kForgottenMs = 10'000;
constexpr double kNewest = 0.25;  // weight of the newest observation

uint64_t backoff_ms(uint64_t failures) {
  return std::min(kBackoffMaxMs, kBackoffMinMs << std::min<uint64_t>(failures == 0 ? 0 : failures - 1, 16));
}

double blend(double known, double newest) { return known + kNewest * (newest - known); }

}  // namespace

void Health::answered(uint64_t now_ms, uint64_t latency_us, double found) {
  auto newest = static_cast<double>(std::max<uint64_t>(latency_us, 1));
  latency_us_ = latency_us_ == 0 ? newest : blend(latency_us_, newest);
  found_ = blend(found_, found);
  failures_ = 0;
  look_ms_ = now_ms + kForgottenMs;
}

void Health::succeeded(uint64_t now_ms, uint64_t latency_us) { answered(now_ms, latency_us, 1); }
void Health::missed(uint64_t now_ms, uint64_t latency_us) { answered(now_ms, latency_us, 0); }

void Health::was_slow(uint64_t waited_us) { latency_us_ = std::max(latency_us_, static_cast<double>(waited_us)); }

void Health::failed(uint64_t now_ms) {
  ++failures_;
  look_ms_ = now_ms + backoff_ms(failures_);
}

void Health::works(uint64_t now_ms) {
  if (failures_ == 0) return;
  failures_ = 0;
  look_ms_ = now_ms;
}

double Health::cost() const { return latency_us_ / std::max(found_, 0.02); }

bool Health::wants_look(uint64_t now_ms) const { return look_ms_ != 0 && now_ms >= look_ms_; }

// Until its outcome is known nobody else looks.
void Health::looked(uint64_t now_ms) {
  look_ms_ = now_ms + (failures_ == 0 ? kForgottenMs : backoff_ms(failures_));
}

bool Health::is_better(const Health& a, const Health& b) {
  if (a.is_failing() != b.is_failing()) return b.is_failing();
  return a.is_failing() ? a.look_ms_ < b.look_ms_ : a.cost() < b.cost();
}

}  // namespace mcloud::image
