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
};

struct Attachment {
  std::string digest;                // "sha256:<64 hex>"
  std::string index_path;            // verified against the digest by the caller; opened by the process
  std::vector<Route> routes;         // with their secrets
  std::vector<std::string> trace;    // "path block" of what starts first; may be empty
  bool complete = false;             // fetch every byte in the background
};

struct ImageFigures {
  std::string digest;
  uint64_t bytes = 0;           // of its files, each content once
  uint64_t cached_bytes = 0;
  uint64_t read_errors = 0;     // EIO given to readers
  std::vector<StoreFigures> stores;
};

struct MountFigures {
  int process = 0;
  uint64_t restarts = 0;        // of the serving process, by its keeper
  bool has_passthrough = false;
  bool has_idmap = false;
  CacheFigures cache;
  std::vector<ImageFigures> images;
};

// Thread-safe; every call has a deadline.
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
