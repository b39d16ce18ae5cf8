// Threads of one store: started when there is work, ended when there is none for a while. A store that hangs holds
// up its own lane only.
#pragma once

#include <functional>
#include <memory>

namespace mcloud::image {

// submit() from any thread. The destructor drops what has not begun and waits for what runs.
class Lane {
 public:
  Lane(size_t threads_max, uint64_t idle_ms);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  // As many may wait as callers submit: each of ours waits for its own job.
  void submit(std::function<void()> job);
  size_t threads() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace mcloud::image
