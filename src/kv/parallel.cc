#include "kv/parallel.h"

#include <algorithm>
#include <atomic>  // the next piece of work, taken by several threads
#include <mutex>   // guards the first error
#include <thread>  // opening is bound by the processor: it wants every core
#include <vector>

namespace mcloud::kv {

Status in_parallel(size_t count, const std::function<Status(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  Status first;
  auto run = [&] {
    for (size_t i = next++; i < count; i = next++) {
      Status done = work(i);
      if (done.has_value()) continue;
      std::lock_guard guard(mutex);
      if (first.has_value()) first = done;
    }
  };
  size_t threads = std::min<size_t>(count, std::max(1u, std::thread::hardware_concurrency()));
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < threads; ++i) others.emplace_back(run);
    run();
  }
  return first;
}

}  // namespace mcloud::kv
