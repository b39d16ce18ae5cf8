// Simulated time: things happen in order of their moment, ties in the order they were asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace mcloud::sim {

class Clockwork {
 public:
  uint64_t now() const { return now_ms_; }
  void after(uint64_t ms, std::function<void()> act) { events_.push({now_ms_ + ms, next_++, std::move(act)}); }

  // Until nothing is due at or before `end_ms`; time is `end_ms` then.
  void run_until(uint64_t end_ms) {
    while (!events_.empty() && events_.top().at_ms <= end_ms) {
      Event event = std::move(const_cast<Event&>(events_.top()));  // popped at once: nobody compares it any more
      events_.pop();
      now_ms_ = event.at_ms;
      event.act();
    }
    now_ms_ = end_ms;
  }

 private:
  struct Event {
    uint64_t at_ms;
    uint64_t order;
    std::function<void()> act;
    bool operator<(const Event& other) const {
      return at_ms != other.at_ms ? at_ms > other.at_ms : order > other.order;
    }
  };

  uint64_t now_ms_ = 1'700'000'000'000;
  uint64_t next_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace mcloud::sim
