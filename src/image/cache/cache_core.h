// Inside of a content cache: what is there, what is used, what is to be settled. Whoever holds a content shares it, so
// that a content may be dropped after the cache.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <mutex>  // guards the table of contents; held for no read or write of a file
#include <unordered_map>

#include "image/cache/block_bits.h"
#include "image/cache/cache_files.h"
#include "image/cache/cache_names.h"
#include "image/cache/content_cache.h"

namespace mcloud::image {

class HeldContent;

struct CacheEntry {
  uint64_t bytes = 0;
  uint64_t disk_bytes = 0;  // what its files take
  int64_t used_ns = 0;      // wall time
  uint64_t tag = 0;         // of its files' names; 0: it has none yet
  uint32_t pins = 0;        // its holders' object and settle(); 0: it may be evicted
  uint32_t settled = 0;     // blocks whose fdatasync is over
  bool has_have = false;    // a .have lies on the disk
  bool is_lost = false;     // the disk has failed on it: nothing of it is believed, it goes when it is not pinned
  bool is_queued = false;   // to be settled
  bool is_touched = false;  // used_ns is to be written down
  std::shared_ptr<BlockBits> kept;  // nullptr: whole and settled
  std::weak_ptr<HeldContent> held;
  std::list<const ContentId*>::iterator place;  // in the order of use, when it is not pinned
};

class CacheCore : public std::enable_shared_from_this<CacheCore> {
 public:
  CacheCore(std::unique_ptr<CacheFiles> files, uint64_t bytes_max);

  Status load();
  Result<std::shared_ptr<Content>> hold(const ContentId& id, uint64_t bytes);
  bool is_whole(const ContentId& id) const;
  uint64_t kept_bytes(const ContentId& id) const;
  Result<bool> settle();
  CacheFigures figures() const;

  // For HeldContent, whose entry is pinned.
  CacheFiles& files() { return *files_; }
  void release(const ContentId& id);
  // The name its file has, and the one it has if settle() has just renamed it.
  std::pair<std::string, std::string> names(const ContentId& id, const CacheEntry& entry) const;
  void lose(CacheEntry& entry);
  Result<io::Fd> create_file(const ContentId& id, CacheEntry& entry);
  // Room for a block, at the cost of what was not used for longest; Exhausted. Each is followed by finish().
  Status reserve(uint64_t disk_bytes);
  // The disk says it is full: gives some of ours back. False: there is nothing to give.
  bool make_room(uint64_t disk_bytes);
  Status finish(const ContentId& id, CacheEntry& entry, uint32_t block, uint64_t disk_bytes, Status written);

 private:
  using Entries = std::unordered_map<ContentId, CacheEntry>;
  struct Settling;

  Result<std::shared_ptr<Content>> try_hold(const ContentId& id, uint64_t bytes);
  void pin(CacheEntry& entry);
  // Under the lock, of one that is not pinned: forgets it; the caller removes its files with the lock not held.
  Entries::node_type take(Entries::iterator found);
  Status remove_files(const Entries::node_type& taken);
  // Exhausted: nothing may go, or the disk lets nothing go.
  Status evict_one(uint64_t& freed);
  void unpin(Entries::iterator found, Entries::node_type& taken);
  Status load_folder(uint8_t folder);
  // What it has found of one content. False: it is nothing to believe.
  bool add_whole(const CacheFile& file, const CacheName& name);
  bool add_part(const CacheFile& file, const CacheName& name);
  void add(const CacheFile& file, const CacheName& name, std::shared_ptr<BlockBits> kept);

  void touch_some();
  std::vector<Settling> take_unsettled();
  Status mark(Settling& settling);
  void end_settling(const Settling& settling, bool is_marked);

  const std::unique_ptr<CacheFiles> files_;
  const uint64_t bytes_max_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::list<const ContentId*> used_order_;  // of what is not pinned, latest first; the table's own
  std::deque<ContentId> unsettled_, touched_;
  uint64_t next_tag_;
  uint64_t disk_bytes_ = 0;  // of all entries, and reserved
  uint64_t unsettled_blocks_ = 0;
  uint64_t contents_ = 0;    // with a file
  uint64_t evicted_ = 0;
  bool is_full_ = false;
  std::mutex settle_mutex_;  // one settle() at a time
};

}  // namespace mcloud::image
