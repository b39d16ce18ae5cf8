// One thread that waits on descriptors and moments: the keeper, the cluster's root and the forwarder live on it.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <utility>

#include "io/file.h"

namespace mcloud::lab {

class Poller {
 public:
  using Ready = std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR

  static Result<std::unique_ptr<Poller>> create();

  // Calls `ready` whenever one of `events` holds, until remove(). A callback may add, change and remove anything,
  // itself too. The descriptor stays the caller's and is removed before it is closed.
  Status add(int fd, uint32_t events, Ready ready);
  void change(int fd, uint32_t events);
  void remove(int fd);

  // Runs once, `delay_ms` from now. cancel() with a number that has run is fine.
  uint64_t after(uint64_t delay_ms, std::function<void()> function);
  void cancel(uint64_t timer);

  // Until stop(), which may be called from callbacks only.
  void run();
  void stop() { stopped_ = true; }

 private:
  explicit Poller(io::Fd fd) : fd_(std::move(fd)) {}
  void run_timers();
  int wait_ms() const;

  struct Watch {
    uint64_t generation = 0;
    std::shared_ptr<Ready> ready;
  };
  io::Fd fd_;
  bool stopped_ = false;
  uint64_t last_number_ = 0;
  std::map<int, Watch> watches_;
  std::map<std::pair<uint64_t, uint64_t>, std::function<void()>> timers_;  // by moment, number
  std::map<uint64_t, uint64_t> moments_;                                   // of timers, by number
};

// Blocks these signals for the thread and reads them as a descriptor instead.
Result<io::Fd> signal_descriptor(std::initializer_list<int> numbers);
// The next signal that came, 0 = none.
int take_signal(const io::Fd& descriptor);

}  // namespace mcloud::lab
