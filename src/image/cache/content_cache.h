// Verified content on this node's disk, one file per content, shared by all images.
//
//   FOLDER/<first 2 hex>/<hex>        the content, sparse where blocks are missing
//   FOLDER/<first 2 hex>/<hex>.have   one bit a block: verified and on disk; its mtime is the last use
// A bit is set only after fdatasync of the content, in the background (settle): a power loss costs a fetch,
// never a wrong byte. Bounded by `bytes_max`: least recently used goes first, what is held never.
// Thread-safe.
#pragma once

#include <memory>

#include "image/tree/tree.h"
#include "io/file.h"

namespace mcloud::image {

struct CacheOptions {
  std::string folder;           // made with mode 0700
  uint64_t bytes_max = 8ull << 30;
};

struct CacheFigures {
  uint64_t bytes = 0;          // on disk
  uint64_t contents = 0;
  uint64_t evicted = 0;
  uint64_t unsettled = 0;      // blocks that wait for their fdatasync
  bool is_full = false;        // everything is held, or the disk is full: blocks are served without being kept
};

// One content while somebody uses it: pinned. Thread-safe.
class Content {
 public:
  virtual ~Content() = default;
  virtual uint64_t bytes() const = 0;
  virtual uint32_t blocks() const = 0;
  virtual bool has(uint32_t block) const = 0;   // readable from fd()
  virtual bool is_whole() const = 0;
  virtual int fd() const = 0;                   // read-write; its bytes of blocks that has() says are verified
  // Keeps a verified block. Exhausted when the disk or the cache is full: the caller serves from memory.
  virtual Status keep(uint32_t block, BytesView plain) = 0;
};

class ContentCache {
 public:
  // Reads what is there, throws away what is torn or unknown.
  static Result<std::unique_ptr<ContentCache>> open(const CacheOptions& options);
  virtual ~ContentCache() = default;
  // The content, made when it is not there. The same object while anybody holds it.
  virtual Result<std::shared_ptr<Content>> hold(const ContentId& id, uint64_t bytes) = 0;
  // Whether all of it is there, without holding it.
  virtual bool is_whole(const ContentId& id) const = 0;
  // Makes kept blocks durable and marks them; for a thread that may wait for the disk. Bounded work a call;
  // true when more is waiting.
  virtual Result<bool> settle() = 0;
  virtual CacheFigures figures() const = 0;
};

}  // namespace mcloud::image
