// The door of a loop for other threads: functions that it will run. Outlives the loop as long as somebody holds it;
// what comes when the loop is over is dropped.
#pragma once

#include <functional>
#include <memory>
#include <mutex>  // other threads post
#include <vector>

#include "io/file.h"

namespace mcloud::kv {

class Inbox {
 public:
  static Result<std::shared_ptr<Inbox>> make();
  void post(std::function<void()> function);
  // Of the loop's thread.
  std::vector<std::function<void()>> take();
  void close();
  int fd() const { return event_.get(); }

 private:
  io::Fd event_;
  std::mutex mutex_;
  bool is_closed_ = false;
  std::vector<std::function<void()>> functions_;
};

}  // namespace mcloud::kv
