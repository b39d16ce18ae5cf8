#include "image/stores/lane.h"

#include <chrono>
#include <condition_variable>  // io::Pool keeps its threads; fifty images with two stores each would hold a thousand
#include <deque>
#include <list>
#include <mutex>   // as above
#include <thread>  // as above

namespace mcloud::image {

using Threads = std::list<std::jthread>;

struct Lane::Inside {
  Inside(size_t threads_max, uint64_t idle_ms) : threads_max(threads_max), idle_time(idle_ms) {}

  void work(Threads::iterator self) {
    std::unique_lock lock(mutex);
    while (!closing) {
      if (jobs.empty()) {
        ++idle;
        bool woken = wake.wait_for(lock, idle_time, [this] { return closing || !jobs.empty(); });
        --idle;
        if (!woken) break;
        continue;
      }
      auto job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // what it captured goes before the lock is taken again
      lock.lock();
    }
    if (!closing) ended.splice(ended.end(), threads, self);
  }

  // Under the lock.
  void add_thread() {
    threads.emplace_back();
    auto self = std::prev(threads.end());
    *self = std::jthread([this, self] { work(self); });
  }

  const size_t threads_max;
  const std::chrono::milliseconds idle_time;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> jobs;
  size_t idle = 0;
  bool closing = false;
  Threads threads;  // that work or wait for work
  Threads ended;    // that have left work() or are about to
};

Lane::Lane(size_t threads_max, uint64_t idle_ms) : inside_(std::make_unique<Inside>(threads_max, idle_ms)) {}

Lane::~Lane() {
  {
    std::lock_guard lock(inside_->mutex);
    inside_->closing = true;
    inside_->jobs.clear();
  }
  inside_->wake.notify_all();
  inside_->threads.clear();  // nobody else touches the lists any more
}

void Lane::submit(std::function<void()> job) {
  Threads joined;  // without the lock
  {
    std::lock_guard lock(inside_->mutex);
    joined.swap(inside_->ended);
    inside_->jobs.push_back(std::move(job));
    if (inside_->jobs.size() > inside_->idle && inside_->threads.size() < inside_->threads_max) inside_->add_thread();
  }
  inside_->wake.notify_one();
}

size_t Lane::threads() const {
  std::lock_guard lock(inside_->mutex);
  return inside_->threads.size();
}

}  // namespace mcloud::image
