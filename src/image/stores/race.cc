#include "image/stores/race.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>  // a reader waits for the threads of several stores
#include <mutex>               // as above

#include "io/clock.h"

namespace mcloud::image {
namespace {

// Asked at the same time for one block. A stranger's file may name hundreds of silent stores.
constexpr size_t kRunningMax = 4;

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

// Owned by the reader and by every try that runs, so a slow one may end long after the reader has gone.
class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(const std::vector<RoutedStore*>& stores, const BlockRef& ref, uint64_t plain_bytes, const RaceOptions& options)
      : options_(options), ref_(ref), plain_bytes_(plain_bytes) {
    for (RoutedStore* store : stores) tries_.push_back({.store = store});
  }

  RaceOutcome run() {
    start_look();
    start(tries_[0]);
    std::unique_lock lock(mutex_);
    size_t failures_seen = 0;
    while (!outcome_.plain && now_ms() < options_.deadline_ms) {
      Try* next = next_waiting();
      if (next == nullptr && running_ == 0) break;
      bool may_overtake = next != nullptr && running_ < kRunningMax;
      bool is_overtaken = may_overtake && now_ms() >= hedge_ms_;
      if (is_overtaken || (next != nullptr && (failures_ > failures_seen || running_ == 0))) {
        if (is_overtaken) mark_slow();
        failures_seen = failures_;
        lock.unlock();
        start(*next);
        lock.lock();
        continue;
      }
      wait(lock, may_overtake ? std::min(options_.deadline_ms, hedge_ms_) : options_.deadline_ms);
    }
    return finish();
  }

 private:
  enum class State { Waits, Runs, Failed };
  struct Try {
    RoutedStore* store;
    uint64_t begin_ms = 0;
    State state = State::Waits;
    bool is_look = false;  // when it fails, nobody has to be asked instead
    Error error = {};
  };

  // Until a try has ended, or until then.
  void wait(std::unique_lock<std::mutex>& lock, uint64_t until_ms) {
    const uint64_t now = now_ms();
    const size_t running_before = running_;
    changed_.wait_for(lock, std::chrono::milliseconds(until_ms > now ? until_ms - now : 0),
                      [&] { return outcome_.plain || running_ < running_before; });
  }

  Try* next_waiting() {
    auto found = std::find_if(tries_.begin(), tries_.end(), [](const Try& one) { return one.state == State::Waits; });
    return found == tries_.end() ? nullptr : &*found;
  }

  // Beside the first, one that is due for a look, so that nobody waits for it.
  void start_look() {
    for (size_t i = 1; i < tries_.size(); ++i) {
      if (!tries_[i].store->take_look()) continue;
      tries_[i].is_look = true;
      return start(tries_[i]);
    }
  }

  void start(Try& one) {
    {
      std::lock_guard lock(mutex_);
      one.state = State::Runs;
      one.begin_ms = now_ms();
      hedge_ms_ = one.begin_ms + options_.hedge_ms;
      ++running_;
    }
    one.store->submit([race = shared_from_this(), &one] { race->ask(one); });
  }

  // On a thread of the store.
  void ask(Try& one) {
    uint64_t now = now_ms();
    {
      std::lock_guard lock(mutex_);
      if (is_over_ || now >= options_.deadline_ms) {
        --running_;
        changed_.notify_all();
        return;
      }
    }
    uint64_t timeout_ms = std::min(options_.try_timeout_ms, options_.deadline_ms - now);
    Result<Bytes> plain = one.store->fetch(ref_, plain_bytes_, timeout_ms);
    std::lock_guard lock(mutex_);
    --running_;
    if (!plain.has_value()) {
      one.state = State::Failed;
      one.error = std::move(plain.error());
      failures_ += one.is_look ? 0 : 1;
    } else if (!is_over_ && !outcome_.plain) {
      outcome_.plain = std::move(*plain);
    }
    changed_.notify_all();
  }

  // Under the lock.
  void mark_slow() {
    uint64_t now = now_ms();
    for (const Try& one : tries_) {
      if (one.state == State::Runs && now - one.begin_ms >= options_.hedge_ms) {
        one.store->was_slow((now - one.begin_ms) * 1000);
      }
    }
  }

  // Under the lock.
  RaceOutcome finish() {
    is_over_ = true;
    for (const Try& one : tries_) {
      if (outcome_.plain) break;
      outcome_.errors.push_back(one.state == State::Failed ? one.error
                                                           : make_error(Code::TimedOut, "no answer in time"));
    }
    return std::move(outcome_);
  }

  const RaceOptions options_;
  const BlockRef ref_;
  const uint64_t plain_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Try> tries_;  // of fixed size
  uint64_t hedge_ms_ = 0;   // when the next one is asked although none failed
  size_t running_ = 0;
  size_t failures_ = 0;
  bool is_over_ = false;
  RaceOutcome outcome_;
};

}  // namespace

RaceOutcome run_race(const std::vector<RoutedStore*>& stores, const BlockRef& ref, uint64_t plain_bytes,
                     const RaceOptions& options) {
  if (stores.size() > 1) return std::make_shared<Race>(stores, ref, plain_bytes, options)->run();
  // Nobody to overtake it: the reader's own thread asks.
  uint64_t now = now_ms();
  uint64_t left_ms = options.deadline_ms > now ? options.deadline_ms - now : 0;
  Result<Bytes> plain = stores[0]->fetch(ref, plain_bytes, std::min(options.try_timeout_ms, left_ms));
  RaceOutcome outcome;
  if (plain.has_value())
    outcome.plain = std::move(*plain);
  else
    outcome.errors.push_back(std::move(plain.error()));
  return outcome;
}

}  // namespace mcloud::image
