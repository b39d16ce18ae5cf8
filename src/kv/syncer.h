// The thread that makes logs durable: whoever waits is served by the next sync of its namespace, all by the same one.
#pragma once

#include <condition_variable>  // the syncer sleeps until somebody asks
#include <deque>
#include <map>
#include <memory>
#include <mutex>   // guards the queue
#include <thread>  // fdatasync blocks

#include "base/world.h"

namespace mcloud::kv {

// A namespace, as its syncer sees it.
class Syncable {
 public:
  virtual ~Syncable() = default;
  virtual void sync_now() = 0;  // somebody waits
  virtual void sync_due() = 0;  // what request_after() asked for
};

class Syncer {
 public:
  // Without a thread nothing happens by itself: a test calls run_due().
  Syncer(Clock& clock, bool has_thread);
  ~Syncer();
  Syncer(const Syncer&) = delete;
  Syncer& operator=(const Syncer&) = delete;

  void request(std::weak_ptr<Syncable> who);
  void request_after(std::weak_ptr<Syncable> who, uint64_t ms);
  // Serves what is due now; any thread.
  void run_due();
  // No sync runs or begins afterwards.
  void stop();

 private:
  void run();
  struct Due {
    std::shared_ptr<Syncable> who;
    bool is_timer = false;
    void serve() const { is_timer ? who->sync_due() : who->sync_now(); }
  };
  Due take_due();  // under the lock

  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::weak_ptr<Syncable>> now_;
  std::multimap<uint64_t, std::weak_ptr<Syncable>> later_;  // by monotonic time
  bool is_stopped_ = false;
  std::jthread thread_;
};

}  // namespace mcloud::kv
