// A value that HTTP worker threads and the ledger's own thread share: reached only with its lock held.
//
// The one place of this room with a mutex. It exists because the HTTP server calls handlers on its worker
// threads (so that signatures are verified in parallel) while blocks are made on one thread.
#pragma once

#include <mutex>  // HTTP workers and the block maker share values; this is the one place that locks
#include <utility>

namespace mcloud::ledger {

template <typename T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  // Calls `use` with the value and returns what it returns. Keep it short; never lock another one inside.
  template <typename Use>
  auto with(Use&& use) {
    std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(value_);
  }
  T copy() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  void set(T value) {
    std::lock_guard lock(mutex_);
    std::swap(value_, value);
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace mcloud::ledger
