// Verified content on this node's disk, one file per content, shared by all images.
//
//   FOLDER/<first 2 hex>/<hex>-<tag>        all of the content, verified and on disk
//   FOLDER/<first 2 hex>/<hex>-<tag>.part   some of it, sparse where blocks are missing
//   FOLDER/<first 2 hex>/<hex>-<tag>.have   one bit a block of the .part: verified and on disk
// `tag` is 16 hex digits, new each time a content comes into the cache. A small content costs one file: the .part is
// renamed when all of it is on the disk. A file's mtime is its last use. A bit and a final name are given only after
// fdatasync of the content, in the background (settle): a power loss costs a fetch, never a wrong byte. What else
// lies in folders of two hex digits is removed at open. Bounded by `bytes_max`: least recently used goes first, what
// is held never. A full or read-only disk makes it keep nothing new until it has room again.
// Thread-safe. A disk that returns other bytes than it acknowledged is not defended against.
#pragma once

#include <memory>

#include "image/tree/tree.h"
#include "io/file.h"

namespace mcloud::image {

class CacheFiles;

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

// One content while somebody uses it: pinned. Thread-safe. May be dropped after the cache; the folder is free for
// another process when the last one is.
class Content {
 public:
  virtual ~Content() = default;
  virtual uint64_t bytes() const = 0;
  virtual uint32_t blocks() const = 0;
  virtual bool has(uint32_t block) const = 0;   // readable from fd(); no longer when the disk fails at its sync
  virtual bool is_whole() const = 0;
  // Read-write (read-only where the disk is); its bytes of blocks that has() says are verified. The same for this
  // object's life, once it is there: -1 as long as has() says no for all blocks, so for ever for an empty content.
  virtual int fd() const = 0;
  // Keeps a verified block. Exhausted when the disk or the cache is full: the caller serves from memory, as after
  // any other error.
  virtual Status keep(uint32_t block, BytesView plain) = 0;
};

class ContentCache {
 public:
  // Reads what is there, throws away what is torn or unknown. Conflict while another process uses the folder; when
  // that one is dead, it is free.
  static Result<std::unique_ptr<ContentCache>> open(const CacheOptions& options);
  // For tests that cut the power below it.
  static Result<std::unique_ptr<ContentCache>> open(std::unique_ptr<CacheFiles> files, uint64_t bytes_max);
  virtual ~ContentCache() = default;
  // The content; a file is made when its first block is kept. The same object while anybody holds it.
  virtual Result<std::shared_ptr<Content>> hold(const ContentId& id, uint64_t bytes) = 0;
  // Whether all of it is there, without holding it.
  virtual bool is_whole(const ContentId& id) const = 0;
  // How much of it is there.
  virtual uint64_t kept_bytes(const ContentId& id) const = 0;
  // Makes kept blocks durable and marks them; for a thread that may wait for the disk. Bounded work a call;
  // true when more is waiting. After an error nothing is lost but what the disk has not taken; call it again later.
  virtual Result<bool> settle() = 0;
  virtual CacheFigures figures() const = 0;
};

}  // namespace mcloud::image
