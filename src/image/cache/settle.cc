// Blocks become durable, then they are marked; never the other way round.
#include "image/cache/cache_core.h"
#include "image/cache/planted.h"

namespace mcloud::image {
namespace {

// Of one call. One sync pays for many contents, but somebody may want to stop.
constexpr size_t kContentsMax = 1024;
constexpr uint64_t kBlocksMax = 1024;
constexpr size_t kTouchesMax = 1024;
constexpr uint64_t kFreeBytesWanted = 16 << 20;

}  // namespace

// A content in the hands of settle(): pinned, and what is known of it at that moment.
struct CacheCore::Settling {
  ContentId id;
  CacheEntry* entry = nullptr;
  uint64_t tag = 0;
  uint32_t count = 0;
  bool is_whole = false;
  bool had_have = false;
  Bytes have;
  bool is_marked = false;

  std::string name(CacheName::Kind kind) const { return file_name({kind, id, tag}); }
};

std::vector<CacheCore::Settling> CacheCore::take_unsettled() {
  std::vector<Settling> out;
  uint64_t blocks = 0;
  std::lock_guard guard(mutex_);
  while (!unsettled_.empty() && out.size() < kContentsMax && blocks < kBlocksMax) {
    auto found = entries_.find(unsettled_.front());
    unsettled_.pop_front();
    // It may have been evicted, and come back.
    if (found == entries_.end() || !found->second.is_queued) continue;
    CacheEntry& entry = found->second;
    entry.is_queued = false;
    if (entry.is_lost || !entry.kept || entry.kept->count() == entry.settled) continue;
    pin(entry);
    blocks += entry.kept->count() - entry.settled;
    out.push_back({.id = found->first,
                   .entry = &entry,
                   .tag = entry.tag,
                   .count = entry.kept->count(),
                   .is_whole = entry.kept->is_whole(),
                   .had_have = entry.has_have});
    if (!out.back().is_whole) out.back().have = encode_have(entry.bytes, *entry.kept);
  }
  return out;
}

Status CacheCore::mark(Settling& settling) {
  if (settling.is_whole) {
    TRY(files_->rename(settling.name(CacheName::Kind::Part), settling.name(CacheName::Kind::Whole)));
    // One that stays is thrown away at the next open.
    if (settling.had_have) static_cast<void>(files_->remove(settling.name(CacheName::Kind::Have)));
  } else {
    TRY(files_->put(settling.name(CacheName::Kind::Have), settling.have));
  }
  settling.is_marked = true;
  return {};
}

void CacheCore::end_settling(const Settling& settling, bool is_marked) {
  Entries::node_type taken;
  {
    std::lock_guard guard(mutex_);
    auto found = entries_.find(settling.id);
    CacheEntry& entry = found->second;
    if (is_marked && !entry.is_lost) {
      unsettled_blocks_ -= settling.count - entry.settled;
      entry.settled = settling.count;
      uint64_t had = entry.has_have ? kHaveDiskBytes : 0, has = settling.is_whole ? 0 : kHaveDiskBytes;
      entry.has_have = !settling.is_whole;
      entry.disk_bytes += has - had;
      disk_bytes_ += has - had;
      if (settling.is_whole) entry.kept.reset();
    }
    if (entry.kept && !entry.is_lost && !entry.is_queued && entry.kept->count() > entry.settled) {
      entry.is_queued = true;
      unsettled_.push_back(settling.id);
    }
    unpin(found, taken);
  }
  if (!taken.empty()) static_cast<void>(remove_files(taken));
}

void CacheCore::touch_some() {
  std::vector<std::pair<std::string, int64_t>> names;
  {
    std::lock_guard guard(mutex_);
    for (size_t i = 0; i < kTouchesMax && !touched_.empty(); ++i) {
      auto found = entries_.find(touched_.front());
      touched_.pop_front();
      if (found == entries_.end() || found->second.tag == 0) continue;
      CacheEntry& entry = found->second;
      entry.is_touched = false;
      CacheName::Kind kind = entry.kept ? CacheName::Kind::Part : CacheName::Kind::Whole;
      names.emplace_back(file_name({kind, found->first, entry.tag}), entry.used_ns);
    }
  }
  // Only the order of eviction after a restart hangs on it.
  for (const auto& [name, used_ns] : names) static_cast<void>(files_->touch(name, used_ns));
}

Result<bool> CacheCore::settle() {
  std::lock_guard one_at_a_time(settle_mutex_);
  touch_some();
  std::vector<Settling> batch = take_unsettled();
  Status outcome;
  if (!batch.empty()) {
    std::vector<std::string> names;
    for (const Settling& settling : batch) names.push_back(settling.name(CacheName::Kind::Part));
    auto mark_all = [&] {
      Status done;
      for (Settling& settling : batch) {
        Status marked = mark(settling);
        if (marked.has_value()) continue;
        done = marked;
        if (marked.error().code == Code::NotFound) lose(*settling.entry);  // somebody has removed it
      }
      return done;
    };
    if (planted::kMarksFirst) static_cast<void>(mark_all());
    outcome = files_->sync(names);
    // What a disk did not take at its sync may be gone at any time: readers must not count on it any longer.
    if (!outcome.has_value()) {
      for (Settling& settling : batch) lose(*settling.entry);
    } else if (!planted::kMarksFirst) {
      outcome = mark_all();
    }
    for (const Settling& settling : batch) end_settling(settling, settling.is_marked);
  }
  if (!outcome.has_value()) return outcome.error();
  std::lock_guard guard(mutex_);
  // Somebody else may have made room.
  bool has_room = disk_bytes_ < bytes_max_ || !used_order_.empty();
  if (is_full_ && has_room && files_->free_bytes() >= kFreeBytesWanted) is_full_ = false;
  return !unsettled_.empty() || !touched_.empty();
}

}  // namespace mcloud::image
