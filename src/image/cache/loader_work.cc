// The threads of a loader.
#include <algorithm>

#include "base/log.h"
#include "image/cache/loader_core.h"

namespace mcloud::image {

void LoaderCore::end(std::vector<Ended>& ended, Waiter waiter, Result<std::optional<Bytes>> outcome) {
  if (!outcome.has_value()) ++waiter.image->read_errors;
  ended.push_back({std::move(waiter.image), std::move(waiter.done), std::move(outcome)});
}

void LoaderCore::run(std::vector<Ended>& ended) {
  for (Ended& one : ended) one.done(std::move(one.outcome));
  ended.clear();
}

// One more thread when all are busy: a node that reads nothing has none. Whoever takes work wakes the next while there
// is more, because two calls may wake the same one.
void LoaderCore::wake_worker() {
  if (idle_ > 0) {
    work_.notify_one();
  } else if (!is_stopped_ && workers_.size() < options_.fetches_max) {
    workers_.emplace_back([this] { work(); });
  }
}

std::optional<LoaderCore::Hint> LoaderCore::next_completion() {
  const auto now = Clock::now();
  for (size_t i = 0; i < images_.size(); ++i) {
    const ImagePtr& image = images_[completion_turn_++ % images_.size()];
    while (image->is_completing && image->resumes_at <= now) {
      auto place = image->next_missing([this](const ContentId& id) { return cache_.is_whole(id); });
      if (place) return Hint{image, *place};
    }
    // What was missed gets another pass, for which the watcher wakes us.
    if (image->is_completing && image->resumes_at < watch_until_) watch_.notify_one();
  }
  return std::nullopt;
}

std::optional<LoaderCore::Hint> LoaderCore::next_hint(Why& why) {
  if (running_background_ >= options_.background_fetches_max) return std::nullopt;
  why = Why::Hint;
  for (auto* queue : {&trace_, &ahead_}) {
    if (queue->empty()) continue;
    Hint hint = std::move(queue->front());
    queue->pop_front();
    return hint;
  }
  why = Why::Completion;
  return next_completion();
}

void LoaderCore::work() {
  std::unique_lock lock(mutex_);
  while (!is_stopped_) {
    Why why;
    if (!demand_.empty()) {
      work_on_demand(lock);
    } else if (auto hint = next_hint(why)) {
      work_in_background(lock, std::move(*hint), why);
    } else {
      ++idle_;
      work_.wait(lock);
      --idle_;
    }
  }
}

void LoaderCore::work_on_demand(std::unique_lock<std::mutex>& lock) {
  Key key = demand_.front();
  demand_.pop_front();
  if (!demand_.empty()) wake_worker();
  Job& job = jobs_.at(key);
  ImagePtr image = job.image;
  BlockOrder order = job.order;
  std::shared_ptr<Content> content = job.content;
  bool is_wanted = !job.waiters.empty();  // or all have given up
  if (!is_wanted) jobs_.erase(key);
  lock.unlock();
  if (is_wanted) static_cast<void>(load(key, image, order, content));
  image.reset();
  content.reset();
  lock.lock();
}

void LoaderCore::work_in_background(std::unique_lock<std::mutex>& lock, Hint hint, Why why) {
  ++running_background_;
  wake_worker();
  BlockOrder order = hint.image->order(hint.place);
  Key key{order.content, hint.place.block};
  lock.unlock();
  std::shared_ptr<Content> content = hold(order);
  bool is_there = content && content->has(hint.place.block);
  bool is_kept = is_there;
  if (content && !is_there && order.is_zero()) is_kept = content->keep(hint.place.block, zero_block()).has_value();
  lock.lock();
  if (is_kept && !is_there) note_kept();
  // What somebody waits for is fetched as theirs.
  if (content && !is_kept && !is_stopped_ && !content->has(hint.place.block) && !jobs_.contains(key)) {
    jobs_[key] = {hint.image, order, content, {}};
    lock.unlock();
    Result<bool> kept = load(key, hint.image, order, content);
    lock.lock();
    note_background(hint.image, why, kept);
  } else if (!content) {
    note_background(hint.image, why, false);
  }
  --running_background_;
  lock.unlock();
  content.reset();
  hint.image.reset();
  lock.lock();
}

void LoaderCore::note_kept() {
  if (!std::exchange(has_kept_, true)) settle_.notify_one();
}

void LoaderCore::note_background(const ImagePtr& image, Why why, const Result<bool>& kept) {
  bool is_good = kept.has_value() && *kept;
  if (why == Why::Completion && is_good) image->completion_succeeded();
  if (why == Why::Completion && !is_good) {
    image->completion_failed(Clock::now());
    watch_.notify_one();  // it wakes a worker when the pause is over
  }
  // A cache that is full: what nobody waits for would be fetched to be thrown away.
  if (why == Why::Hint && kept.has_value() && !*kept) {
    trace_.clear();
    ahead_.clear();
  }
}

Result<bool> LoaderCore::load(const Key& key, const ImagePtr& image, const BlockOrder& order,
                      const std::shared_ptr<Content>& content) {
  Result<Bytes> plain = image->routes().fetch(order.ref, order.plain_bytes);
  if (plain.has_value() && plain->size() != order.plain_bytes) {
    plain = make_error(Code::Internal, "routes: a block of " + std::to_string(plain->size()) + " bytes instead of " +
                                           std::to_string(order.plain_bytes));
  }
  bool is_kept = plain.has_value() && content && content->keep(order.place.block, *plain).has_value();
  std::vector<Ended> ended;
  Job job;
  {
    std::lock_guard guard(mutex_);
    job = std::move(jobs_.extract(key).mapped());
    if (plain.has_value()) {
      ++image->fetched_blocks;
      image->fetched_bytes += plain->size();
    }
    if (is_kept) note_kept();
    end_waits(job, image, plain, is_kept, ended);
  }
  run(ended);
  if (!plain.has_value()) return plain.error();
  return is_kept;
}

void LoaderCore::end_waits(Job& job, const ImagePtr& image, const Result<Bytes>& plain, bool is_kept,
                           std::vector<Ended>& ended) {
  for (Waiter& waiter : job.waiters) {
    if (is_kept) {
      end(ended, std::move(waiter), std::nullopt);
    } else if (plain.has_value()) {
      end(ended, std::move(waiter), *plain);
    } else if (waiter.image == image) {
      end(ended, std::move(waiter), plain.error());
    } else {
      enqueue(std::move(waiter), job.content);  // its own stores may have it
    }
  }
  job.waiters.clear();
}

LoaderCore::Clock::time_point LoaderCore::end_late_waits(std::vector<Ended>& ended) {
  const auto now = Clock::now();
  auto next = Clock::time_point::max();
  for (auto& [key, job] : jobs_) {
    for (Waiter& waiter : job.waiters) {
      if (waiter.deadline > now) {
        next = std::min(next, waiter.deadline);
        continue;
      }
      end(ended, std::move(waiter),
          make_error(Code::TimedOut, "block " + job.order.ref.id.short_hex() + ": no store gave it in time"));
    }
    std::erase_if(job.waiters, [&](const Waiter& waiter) { return waiter.deadline <= now; });
  }
  return next;
}

LoaderCore::Clock::time_point LoaderCore::resume_completions() {
  const auto now = Clock::now();
  auto next = Clock::time_point::max();
  for (const ImagePtr& image : images_) {
    if (!image->is_completing) continue;
    if (image->resumes_at > now) {
      next = std::min(next, image->resumes_at);
    } else {
      wake_worker();
    }
  }
  return next;
}

// Ends waits whose time is over, and wakes up completions whose pause is.
void LoaderCore::watch() {
  std::unique_lock lock(mutex_);
  while (!is_stopped_) {
    std::vector<Ended> ended;
    watch_until_ = std::min(end_late_waits(ended), resume_completions());
    if (!ended.empty()) {
      watch_until_ = Clock::time_point::min();  // it looks again at once
      lock.unlock();
      run(ended);
      lock.lock();
    } else if (watch_until_ == Clock::time_point::max()) {
      watch_.wait(lock);
    } else {
      watch_.wait_until(lock, watch_until_);
    }
  }
}

void LoaderCore::settle() {
  constexpr std::chrono::milliseconds kIdle{5'000}, kAfterError{1'000}, kAtTheEnd{1'000};
  const auto soon = std::chrono::milliseconds(options_.settle_ms);
  std::unique_lock lock(mutex_);
  bool is_failing = false;
  auto end = Clock::time_point::max();
  while (end == Clock::time_point::max()) {
    // What is kept is written down soon; when contents were used, now and then.
    settle_.wait_for(lock, kIdle, [this] { return is_stopped_ || has_kept_; });
    settle_.wait_for(lock, is_failing ? kAfterError : soon, [this] { return is_stopped_; });
    if (is_stopped_) end = Clock::now() + kAtTheEnd;
    has_kept_ = false;
    lock.unlock();
    Result<bool> more = true;
    while (more.has_value() && *more && Clock::now() < end) more = cache_.settle();
    if (!more.has_value() && !is_failing) {
      log::warning("image", "the cache's disk fails: blocks are served without being kept",
                   {{"reason", more.error().message}});
    }
    is_failing = !more.has_value();
    lock.lock();
    has_kept_ = has_kept_ || is_failing;
  }
}

}  // namespace mcloud::image
