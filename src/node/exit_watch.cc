#include "node/exit_watch.h"

namespace mcloud::node {
namespace {

constexpr uint64_t kWaitMs = 500;
constexpr uint64_t kLookEveryMs = 5'000;

}  // namespace

void ExitWatch::wait() {
  std::vector<std::string> look_at;
  if (clock_.monotonic_ms() >= next_look_ms_) {
    for (const Reconciler::Running& running : reconciler_.running()) look_at.push_back(running.container);
    next_look_ms_ = clock_.monotonic_ms() + kLookEveryMs;
  }
  thread_.submit([this, look_at = std::move(look_at)]() mutable {
    auto ended = containers_.wait_for_exits(kWaitMs);
    if (ended.has_value()) look_at.insert(look_at.end(), ended->begin(), ended->end());
    loop_.post([this, all = look(look_at), has_failed = !ended.has_value()] { seen(all, has_failed); });
  });
}

std::vector<ExitWatch::Seen> ExitWatch::look(const std::vector<std::string>& containers) const {
  std::vector<Seen> all;
  for (const std::string& id : containers) {
    uint64_t looked_ms = clock_.monotonic_ms();
    auto status = containers_.status(id);
    if (status.has_value()) all.push_back({id, *status, looked_ms});
  }
  return all;
}

void ExitWatch::seen(const std::vector<Seen>& all, bool has_failed) {
  for (const Seen& one : all) {
    reconciler_.observed(one.container, one.status, one.looked_ms, clock_.monotonic_ms());
  }
  if (!all.empty()) changed_();
  // A wait that fails at once must not turn in circles.
  if (has_failed) {
    timer_ = loop_.after(kWaitMs, [this] { wait(); });
  } else {
    wait();
  }
}

}  // namespace mcloud::node
