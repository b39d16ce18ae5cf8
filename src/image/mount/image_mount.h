// The node's lazy file system, from outside: a process of its own (program mcloud-imagefs) serves all images of
// a node below one FUSE mount, FOLDER/mount/<hex of the digest>/. It outlives us, and when it dies its keeper
// (a second small process that holds the same /dev/fuse descriptor) starts it again: readers wait and go on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "image/cache/content_cache.h"
#include "image/stores/routes.h"

namespace mcloud::image {

struct MountOptions {
  std::string folder;        // mount point, socket, state; on tmpfs or disk; short (sockets)
  std::string cache_folder;
  uint64_t cache_bytes_max = 8ull << 30;
  std::string program;       // mcloud-imagefs; "" = beside our own program
  std::string certificates;  // for https and s3s stores; "" = the system's
  uint64_t start_timeout_ms = 10'000;
  uint64_t block_timeout_ms = 20'000;  // how long a reader waits for a block that no store gives; then EIO
  uint64_t stuck_timeout_ms = 30'000;  // a serving process that does not go on for so long is replaced by its keeper
};

// Ids above it cannot be shown (32 bits, a range of 65,536 on top).
inline constexpr uint32_t kShiftMax = 0xfffe'0000;

struct Attachment {
  std::string digest;                // "sha256:<64 hex>"
  std::string index_path;            // verified against the digest by the caller; opened by the process
  std::vector<Route> routes;         // with their secrets
  std::vector<std::string> trace;    // "path block" of what starts first; may be empty
  bool complete = false;             // fetch every byte in the background
  // Added to each owner. For kernels whose FUSE cannot be idmapped (MountFigures::has_idmap): then the image is
  // attached once more for each range of users, as <hex>-<shift>.
  uint32_t shift = 0;
};

struct ImageFigures {
  std::string digest;
  uint64_t bytes = 0;           // of its files, each content once
  uint64_t cached_bytes = 0;    // of these
  uint64_t fetched_bytes = 0;   // by the process that serves now
  uint64_t read_errors = 0;     // EIO given to readers
  std::vector<StoreFigures> stores;
};

struct MountFigures {
  int process = 0;              // that serves
  int keeper = 0;               // that starts it again
  uint64_t restarts = 0;        // of either
  uint64_t reads = 0;           // READ requests that this process was asked; what is passed through asks none
  bool has_passthrough = false;
  bool has_idmap = false;
  CacheFigures cache;
  std::vector<ImageFigures> images;
};

// Thread-safe; every call has a deadline. Unavailable: both processes are dead; open again and attach again.
class ImageMount {
 public:
  // Joins the one that serves `folder`, or starts it (mount point, keeper, server).
  static Result<std::unique_ptr<ImageMount>> open(const MountOptions& options);
  virtual ~ImageMount() = default;
  // Idempotent: a second time replaces routes. The root folder.
  virtual Result<std::string> attach(const Attachment& attachment) = 0;
  // Absent is fine. Conflict while files of it are open.
  virtual Status detach(const std::string& digest) = 0;
  virtual Result<MountFigures> figures() = 0;
  // The recorded start-up trace, as Attachment::trace.
  virtual Result<std::vector<std::string>> trace(const std::string& digest) = 0;
  // Ends both processes and the mount (lazily).
  virtual Status stop() = 0;
};

}  // namespace mcloud::image
