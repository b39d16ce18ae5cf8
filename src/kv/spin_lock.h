// A lock for sections of some nanoseconds: readers of the index come millions of times a second, and a futex costs more
// than what it guards.
#pragma once

#include <atomic>  // the hot path: held for nanoseconds by reader threads and the one writer
#include <thread>  // yield: the holder may have been set aside by the kernel

namespace mcloud::kv {

class SpinLock {
 public:
  void lock() {
    for (int tries = 0; is_held_.exchange(true, std::memory_order_acquire); ++tries) {
      while (is_held_.load(std::memory_order_relaxed)) {
        if (++tries > 100) std::this_thread::yield();
      }
    }
  }
  void unlock() { is_held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> is_held_{false};
};

}  // namespace mcloud::kv
