// The one loop of a tunnel's process: waits for descriptors, calls who watches them, then gives everybody who was touched
// one turn. epoll, edge-triggered: no call per change of interest, and what is ready stays known until it is used up.
#pragma once

#include <functional>
#include <memory>
#include <mutex>  // other threads post
#include <vector>

#include "io/file.h"

namespace mcloud::gateway {

class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_events(uint32_t events) = 0;  // EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR
  virtual void on_turn() {}                     // after touch(), when all events have been told

 private:
  friend class Poller;
  bool is_touched_ = false;
};

// One thread, but for post().
class Poller {
 public:
  static Result<std::unique_ptr<Poller>> create();

  // What is told besides ends. A unix socket tells of room whenever its peer has read: ask only when it matters.
  enum class Interest { Bytes, BytesAndRoom };
  // Borrowed until remove(), which comes before the descriptor is closed.
  Status add(int fd, Watcher& watcher, Interest interest = Interest::BytesAndRoom);
  // Tells anew what holds already.
  void change(int fd, Interest interest);
  void remove(int fd);
  // Its turn comes in this round or the next.
  void touch(Watcher& watcher);
  void forget(Watcher& watcher);  // touched or not

  // From any thread: runs in the loop's.
  void post(std::function<void()> function);

  // One round. It does not wait when turns are due.
  void run_once(int timeout_ms);
  uint64_t now_us() const { return now_us_; }  // when the round began
  // For reading into; one user at a time, until it returns.
  static constexpr size_t kBufferBytes = 128 << 10;
  char* buffer() { return buffer_.get(); }
  Bytes& plain() { return plain_; }  // for what was in it; the same

 private:
  struct Slot {
    Watcher* watcher = nullptr;
    uint32_t generation = 0;  // an event of a descriptor that was closed and opened again in one round is nobody's
  };
  Poller(io::Fd epoll, io::Fd bell);
  void run_posted();
  void run_turns();

  io::Fd epoll_, bell_;
  std::vector<Slot> slots_;  // by descriptor
  std::vector<Watcher*> touched_, running_;
  std::unique_ptr<char[]> buffer_;
  Bytes plain_;
  uint64_t now_us_ = 0;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace mcloud::gateway
