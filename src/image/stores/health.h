// How well a store did lately: in which order stores are asked, and when one that failed is looked at again. Pure;
// not thread-safe. Times are milliseconds of a monotonic clock.
#pragma once

#include <cstdint>
#include <vector>

namespace mcloud::image {

class Health {
 public:
  // A right block came after `latency_us`.
  void succeeded(uint64_t now_ms, uint64_t latency_us);
  // It answered that it has not that block: no failure, but it is asked less early.
  void missed(uint64_t now_ms, uint64_t latency_us);
  // It was overtaken after so long; whether it fails is known later.
  void was_slow(uint64_t waited_us);
  void failed(uint64_t now_ms);
  // It took a block, or did something else that says nothing about how it answers.
  void works(uint64_t now_ms);

  bool is_failing() const { return failures_ > 0; }
  uint64_t failures() const { return failures_; }  // since it last answered
  // What a block costs, roughly in microseconds. A store that was never asked costs nothing: it is tried.
  double cost() const;
  // Asked although another one is better, beside it, so that nobody waits: a failing one when its time has come, a
  // forgotten one now and then.
  bool wants_look(uint64_t now_ms) const;
  void looked(uint64_t now_ms);

  // Failing ones come last, of them the one that may be well again soonest; ties stay as they are.
  static bool is_better(const Health& a, const Health& b);

 private:
  void answered(uint64_t now_ms, uint64_t latency_us, double found);

  double latency_us_ = 0;
  double found_ = 1;  // share of questions that brought a block
  uint64_t failures_ = 0;
  uint64_t look_ms_ = 0;  // when it is looked at again
};

}  // namespace mcloud::image
