// Inside this shelf: the requests that were taken from the kernel and not answered, in shared memory, for kernels that
// do not send them again (before Linux 6.9). The kernel writes a request straight into a thread's buffer here, so that
// no death comes between. A request may be found that was answered: to answer again does nothing. Thread-safe.
#pragma once

#include <functional>
#include <mutex>  // several threads keep reads that wait
#include <string>
#include <vector>

#include "image/mount/shared_memory.h"

namespace mcloud::image {

class RequestLog {
 public:
  // Borrows. What an earlier process left is there until answered().
  explicit RequestLog(SharedMemory& memory);

  // A serving thread's own, kRequestBytesMax bytes; empty() it before a read into it and after its request is answered
  // or kept.
  char* buffer(uint32_t thread) { return memory_.request_buffer(thread); }
  void empty(uint32_t thread);

  // A READ that waits for a store: its slot, or kNowhere when too many wait (a death then leaves it unanswered).
  static constexpr uint32_t kNowhere = ~0u;
  uint32_t keep(std::string_view request);
  void answered(uint32_t slot);

  // What an earlier process left: to be called once, before anybody serves. `handle` answers or keeps each.
  void take_over(const std::function<void(std::string_view)>& handle);

 private:
  SharedMemory& memory_;
  std::mutex mutex_;
  std::vector<uint32_t> free_;
};

}  // namespace mcloud::image
