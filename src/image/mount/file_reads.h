// Inside this shelf: READ requests. What is there is answered at once from the cache's file; what is not is asked of
// the loader, and the answer goes out from the thread that brought the last block. No thread waits. Thread-safe.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>  // requests, blocks and interrupts come from several threads
#include <unordered_map>

#include "image/mount/fuse_device.h"
#include "image/mount/request_log.h"
#include "image/mount/served_images.h"

namespace mcloud::image {

struct FileRead {
  uint64_t unique = 0;
  uint32_t process = 0;  // that asks; 0 = not known
  std::shared_ptr<const ServedImage> image;
  std::shared_ptr<Content> content;
  NodeNumber node = 0;
  uint64_t offset = 0;
  size_t bytes = 0;      // more than 0, within the file
  uint32_t log_slot = RequestLog::kNowhere;  // forgotten when it is answered
};

class FileReads {
 public:
  // Borrows. `on_error` is told of each read that ends with EIO; any thread. `log` may be nullptr.
  FileReads(const FuseDevice& device, RequestLog* log, std::function<void(const ServedImage&, const Error&)> on_error)
      : device_(device), log_(log), on_error_(std::move(on_error)) {}

  void read(FileRead request);
  // The request `unique` was interrupted by a signal. It ends with EINTR when its process is about to die; another
  // signal is no reason to fail: a page fault that fails kills the process.
  void interrupt(uint64_t unique);
  // Ends requests whose process was killed after its first signal. To be called now and then.
  void end_killed();

 private:
  struct Job;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<uint64_t, std::shared_ptr<Job>> waiting;
    std::array<uint64_t, 16> early{};  // interrupted before they came
    size_t next_early = 0;
  };
  Shard& shard(uint64_t unique) { return shards_[(unique >> 1) % shards_.size()]; }
  bool add(const std::shared_ptr<Job>& job);
  void remove(const FileRead& request);  // it was answered
  void arrived(const std::shared_ptr<Job>& job, uint32_t block, Result<std::optional<Bytes>> outcome);
  void finish(Job& job);
  void answer_pieces(Job& job);

  const FuseDevice& device_;
  RequestLog* log_;
  std::function<void(const ServedImage&, const Error&)> on_error_;
  std::array<Shard, 16> shards_;
};

// Has the thread been sent SIGKILL (or a signal that ends it)? False when it cannot be known.
bool is_being_killed(uint32_t thread);

}  // namespace mcloud::image
