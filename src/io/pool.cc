#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/loop.h"

namespace mcloud::io {

struct Pool::Inside {
  explicit Inside(size_t waiting_max) : queue_max(waiting_max) {}

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return closing || !waiting.empty(); });
      if (closing) return;
      auto job = std::move(waiting.front());
      waiting.pop_front();
      ++running;
      lock.unlock();
      job();
      job = nullptr;  // what it captured goes before the lock is taken again
      lock.lock();
      --running;
    }
  }

  const size_t queue_max;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> waiting;
  size_t running = 0;
  bool closing = false;
  std::vector<std::jthread> threads;
};

Pool::Pool(size_t threads, size_t queue_max) : inside_(std::make_unique<Inside>(queue_max)) {
  for (size_t i = 0; i < threads; ++i) {
    inside_->threads.emplace_back([inside = inside_.get()] { inside->work(); });
  }
}

Pool::~Pool() {
  {
    std::lock_guard lock(inside_->mutex);
    inside_->closing = true;
  }
  inside_->wake.notify_all();
  inside_->threads.clear();
}

bool Pool::submit(std::function<void()> job) {
  {
    std::lock_guard lock(inside_->mutex);
    // A job that an idle thread is about to take does not wait.
    size_t idle = inside_->threads.size() - inside_->running;
    if (inside_->closing || inside_->waiting.size() >= inside_->queue_max + idle) return false;
    inside_->waiting.push_back(std::move(job));
  }
  inside_->wake.notify_one();
  return true;
}

}  // namespace mcloud::io
