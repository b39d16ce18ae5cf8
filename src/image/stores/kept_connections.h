// A bounded number of connections to one server, kept for the next caller.
#pragma once

#include <chrono>
#include <condition_variable>  // callers of a store are threads of several rooms
#include <memory>
#include <mutex>  // as above
#include <vector>

#include "base/result.h"
#include "io/clock.h"

namespace mcloud::image {

// Thread-safe. A Connection belongs to whoever took it.
template <typename Connection>
class KeptConnections {
 public:
  explicit KeptConnections(size_t max) : max_(max) {}

  // One that is idle, or nullptr: the caller makes one. Either way keep() or drop() follows. TimedOut when all are busy
  // until the deadline.
  Result<std::unique_ptr<Connection>> take(uint64_t deadline_ms) {
    std::unique_lock lock(mutex_);
    uint64_t now = io::SystemClock().monotonic_ms();
    auto left = std::chrono::milliseconds(deadline_ms > now ? deadline_ms - now : 0);
    if (!freed_.wait_for(lock, left, [this] { return taken_ < max_ || is_closed_; })) {
      return make_error(Code::TimedOut, "all " + std::to_string(max_) + " connections are busy");
    }
    if (is_closed_) return make_error(Code::Cancelled, "the store is closed");
    ++taken_;
    if (idle_.empty()) return std::unique_ptr<Connection>();
    std::unique_ptr<Connection> one = std::move(idle_.back());
    idle_.pop_back();
    return one;
  }
  void keep(std::unique_ptr<Connection> connection) {
    std::lock_guard lock(mutex_);
    --taken_;
    idle_.push_back(std::move(connection));
    freed_.notify_one();
  }
  void drop() {
    std::lock_guard lock(mutex_);
    --taken_;
    freed_.notify_one();
  }
  void close() {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
    freed_.notify_all();
  }

 private:
  const size_t max_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> idle_;  // the one that was used last comes first
  size_t taken_ = 0;
  bool is_closed_ = false;
};

}  // namespace mcloud::image
