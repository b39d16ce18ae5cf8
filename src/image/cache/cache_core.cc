#include "image/cache/cache_core.h"

#include <algorithm>

#include "image/cache/held_content.h"
#include "image/limits.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

int64_t now_ns() { return static_cast<int64_t>(io::SystemClock().wall_ms()) * 1'000'000; }

Error full(std::string_view why) { return make_error(Code::Exhausted, "cache: " + std::string(why)); }

}  // namespace

CacheCore::CacheCore(std::unique_ptr<CacheFiles> files, uint64_t bytes_max)
    : files_(std::move(files)), bytes_max_(bytes_max), next_tag_(read_u64_be(io::SystemRandom().bytes(8)) | 1) {}

Result<std::shared_ptr<Content>> CacheCore::hold(const ContentId& id, uint64_t bytes) {
  auto held = try_hold(id, bytes);
  // Its file was not what we knew; now it is forgotten, and begins anew.
  if (!held.has_value() && (held.error().code == Code::NotFound || held.error().code == Code::Corrupt)) {
    held = try_hold(id, bytes);
  }
  return held;
}

Result<std::shared_ptr<Content>> CacheCore::try_hold(const ContentId& id, uint64_t bytes) {
  if (bytes > UnpackLimits().bytes_max) return make_error(Code::Invalid, "cache: a content larger than any image");
  std::shared_ptr<HeldContent> content;
  Entries::node_type wrong;
  {
    std::lock_guard guard(mutex_);
    auto found = entries_.find(id);
    if (found != entries_.end() && found->second.bytes != bytes) {
      if (found->second.pins > 0) return make_error(Code::Invalid, "cache: content is held with another size");
      wrong = take(found);
      found = entries_.end();
    }
    if (found == entries_.end()) {
      found = entries_.try_emplace(id).first;
      found->second.bytes = bytes;
      found->second.kept = std::make_shared<BlockBits>(blocks_of(bytes));
    }
    content = found->second.held.lock();
    if (!content) {
      pin(found->second);
      content = std::make_shared<HeldContent>(shared_from_this(), id, found->second);
      found->second.held = content;
    }
  }
  if (!wrong.empty()) static_cast<void>(remove_files(wrong));
  TRY(content->open_file());
  return content;
}

bool CacheCore::is_whole(const ContentId& id) const {
  std::lock_guard guard(mutex_);
  auto found = entries_.find(id);
  return found != entries_.end() && (!found->second.kept || found->second.kept->is_whole());
}

uint64_t CacheCore::kept_bytes(const ContentId& id) const {
  std::lock_guard guard(mutex_);
  auto found = entries_.find(id);
  if (found == entries_.end()) return 0;
  const CacheEntry& entry = found->second;
  if (!entry.kept || entry.kept->is_whole()) return entry.bytes;
  uint32_t last = entry.kept->blocks() - 1;
  uint64_t missing = entry.kept->has(last) ? kBlockBytes - block_bytes(entry.bytes, last) : 0;
  return entry.kept->count() * kBlockBytes - missing;
}

CacheFigures CacheCore::figures() const {
  std::lock_guard guard(mutex_);
  return {.bytes = disk_bytes_,
          .contents = contents_,
          .evicted = evicted_,
          .unsettled = unsettled_blocks_,
          .is_full = is_full_};
}

void CacheCore::pin(CacheEntry& entry) {
  if (entry.pins++ == 0 && entry.tag != 0) used_order_.erase(entry.place);
}

// `taken`: what the caller removes the files of, with the lock not held.
void CacheCore::unpin(Entries::iterator found, Entries::node_type& taken) {
  CacheEntry& entry = found->second;
  if (--entry.pins > 0) return;
  if (entry.tag != 0) {
    used_order_.push_front(&found->first);
    entry.place = used_order_.begin();
  }
  if (entry.is_lost || entry.tag == 0) taken = take(found);
}

void CacheCore::release(const ContentId& id) {
  Entries::node_type taken;
  {
    std::lock_guard guard(mutex_);
    auto found = entries_.find(id);
    CacheEntry& entry = found->second;
    entry.used_ns = now_ns();
    if (entry.tag != 0 && !entry.is_touched) {
      entry.is_touched = true;
      touched_.push_back(id);
    }
    unpin(found, taken);
  }
  if (!taken.empty()) static_cast<void>(remove_files(taken));
}

std::pair<std::string, std::string> CacheCore::names(const ContentId& id, const CacheEntry& entry) const {
  std::lock_guard guard(mutex_);
  if (entry.tag == 0) return {};
  std::string whole = file_name({CacheName::Kind::Whole, id, entry.tag});
  return {entry.kept ? file_name({CacheName::Kind::Part, id, entry.tag}) : whole, whole};
}

void CacheCore::lose(CacheEntry& entry) {
  std::lock_guard guard(mutex_);
  entry.is_lost = true;
  if (!entry.kept) return;
  unsettled_blocks_ -= entry.kept->count() - entry.settled;
  entry.settled = 0;
  entry.kept->clear();
}

Result<io::Fd> CacheCore::create_file(const ContentId& id, CacheEntry& entry) {
  uint64_t tag = 0;
  {
    std::lock_guard guard(mutex_);
    if (entry.is_lost) return make_error(Code::Unavailable, "cache: the disk has failed on this content");
    tag = next_tag_;
    next_tag_ += 2;  // never 0
  }
  io::Fd fd = TRY(files_->create(file_name({CacheName::Kind::Part, id, tag}), entry.bytes));
  std::lock_guard guard(mutex_);
  entry.tag = tag;
  ++contents_;
  return fd;
}

CacheCore::Entries::node_type CacheCore::take(Entries::iterator found) {
  CacheEntry& entry = found->second;
  if (entry.tag != 0) {
    used_order_.erase(entry.place);
    --contents_;
  }
  disk_bytes_ -= entry.disk_bytes;
  if (entry.kept) unsettled_blocks_ -= entry.kept->count() - entry.settled;
  return entries_.extract(found);
}

Status CacheCore::remove_files(const Entries::node_type& taken) {
  const CacheEntry& entry = taken.mapped();
  if (entry.tag == 0) return {};
  TRY(files_->remove(file_name({entry.kept ? CacheName::Kind::Part : CacheName::Kind::Whole, taken.key(), entry.tag})));
  if (entry.has_have) TRY(files_->remove(file_name({CacheName::Kind::Have, taken.key(), entry.tag})));
  return {};
}

Status CacheCore::evict_one(uint64_t& freed) {
  Entries::node_type taken;
  {
    std::lock_guard guard(mutex_);
    if (used_order_.empty()) return full("all that is in it is in use");
    taken = take(entries_.find(*used_order_.back()));
    freed = taken.mapped().disk_bytes;
  }
  Status removed = remove_files(taken);
  std::lock_guard guard(mutex_);
  if (removed.has_value()) {
    ++evicted_;
    return {};
  }
  // It is still there and as good as before, unless its next life has begun.
  if (entries_.contains(taken.key())) return removed;
  auto back = entries_.insert(std::move(taken)).position;
  CacheEntry& entry = back->second;
  used_order_.push_back(&back->first);
  entry.place = std::prev(used_order_.end());
  ++contents_;
  disk_bytes_ += entry.disk_bytes;
  if (entry.kept) unsettled_blocks_ += entry.kept->count() - entry.settled;
  return removed;
}

Status CacheCore::reserve(uint64_t disk_bytes) {
  while (true) {
    {
      std::lock_guard guard(mutex_);
      if (disk_bytes_ + disk_bytes <= bytes_max_) {
        disk_bytes_ += disk_bytes;
        return {};
      }
    }
    uint64_t freed = 0;
    if (Status evicted = evict_one(freed); !evicted.has_value()) {
      std::lock_guard guard(mutex_);
      is_full_ = true;
      return full(evicted.error().message);
    }
  }
}

bool CacheCore::make_room(uint64_t disk_bytes) {
  // What makes a file takes more than its bytes.
  const uint64_t wanted = disk_bytes + (64 << 10);
  uint64_t total = 0, freed = 0;
  while (total < wanted && evict_one(freed).has_value()) total += freed;
  return total > 0;
}

Status CacheCore::finish(const ContentId& id, CacheEntry& entry, uint32_t block, uint64_t disk_bytes, Status written) {
  std::lock_guard guard(mutex_);
  if (written.has_value() && entry.is_lost) written = make_error(Code::Unavailable, "cache: the disk has failed");
  if (!written.has_value()) {
    disk_bytes_ -= disk_bytes;
    if (written.error().code == Code::Exhausted) is_full_ = true;
    return written;
  }
  is_full_ = false;
  if (!entry.kept || !entry.kept->set(block)) {
    disk_bytes_ -= disk_bytes;  // another thread has kept the same block
    return {};
  }
  entry.disk_bytes += disk_bytes;
  ++unsettled_blocks_;
  if (!entry.is_queued) {
    entry.is_queued = true;
    unsettled_.push_back(id);
  }
  return {};
}

}  // namespace mcloud::image
