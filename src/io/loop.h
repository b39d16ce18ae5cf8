// One loop per thread. Everything that belongs to a loop is touched only by functions that the loop
// runs; other threads post values to it. Asio inside.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace mcloud::io {

// A pending after(); destroying or cancelling it means the function will not run. Same thread as the loop.
class Timer {
 public:
  Timer() = default;
  void cancel();

 private:
  friend class Loop;
  std::shared_ptr<bool> alive_;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs posted functions and timers until stop(). The calling thread is the loop's.
  void run();
  // From any thread or (through stop_on_signals) a signal.
  void stop();
  // From any thread; runs in order. After stop() it is dropped.
  void post(std::function<void()> function);
  // From the loop's thread. The Timer returned owns the wait: keep it.
  [[nodiscard]] Timer after(uint64_t delay_ms, std::function<void()> function);
  // SIGINT and SIGTERM stop the loop.
  void stop_on_signals();
  // SIGHUP runs `function` on the loop, each time. Once per loop.
  void on_hangup(std::function<void()> function);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

// A bounded set of threads for what blocks (fsync, mount, other programs). submit() from any thread;
// false when `queue_max` jobs already wait. The destructor waits for running jobs and drops waiting ones.
class Pool {
 public:
  Pool(size_t threads, size_t queue_max);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  bool submit(std::function<void()> job);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace mcloud::io
