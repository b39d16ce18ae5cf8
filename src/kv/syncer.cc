#include "kv/syncer.h"

#include <algorithm>
#include <chrono>

namespace mcloud::kv {

Syncer::Syncer(Clock& clock, bool has_thread) : clock_(clock) {
  if (has_thread) thread_ = std::jthread([this] { run(); });
}

Syncer::~Syncer() { stop(); }

void Syncer::stop() {
  {
    std::lock_guard guard(mutex_);
    is_stopped_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Syncer::request(std::weak_ptr<Syncable> who) {
  {
    std::lock_guard guard(mutex_);
    now_.push_back(std::move(who));
  }
  wake_.notify_one();
}

void Syncer::request_after(std::weak_ptr<Syncable> who, uint64_t ms) {
  {
    std::lock_guard guard(mutex_);
    later_.emplace(clock_.monotonic_ms() + ms, std::move(who));
  }
  wake_.notify_one();
}

Syncer::Due Syncer::take_due() {
  while (true) {
    std::weak_ptr<Syncable> who;
    bool is_timer = false;
    if (!now_.empty()) {
      who = std::move(now_.front());
      now_.pop_front();
    } else if (!later_.empty() && later_.begin()->first <= clock_.monotonic_ms()) {
      who = std::move(later_.begin()->second);
      later_.erase(later_.begin());
      is_timer = true;
    } else {
      return {};
    }
    if (auto alive = who.lock()) return {alive, is_timer};
  }
}

void Syncer::run_due() {
  while (true) {
    Due due;
    {
      std::lock_guard guard(mutex_);
      due = take_due();
    }
    if (!due.who) return;
    due.serve();
  }
}

void Syncer::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopped_) {
    if (Due due = take_due(); due.who) {
      lock.unlock();
      due.serve();
      due.who.reset();  // it may be the last to hold it
      lock.lock();
      continue;
    }
    if (later_.empty()) {
      wake_.wait(lock);
      continue;
    }
    uint64_t now = clock_.monotonic_ms();
    uint64_t due_ms = later_.begin()->first;
    wake_.wait_for(lock, std::chrono::milliseconds(due_ms > now ? due_ms - now : 0));
  }
}

}  // namespace mcloud::kv
