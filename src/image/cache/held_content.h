// A content that somebody holds.
#pragma once

#include <atomic>  // fd() is asked for by every read
#include <mutex>   // one thread makes the file

#include "image/cache/cache_core.h"

namespace mcloud::image {

class HeldContent final : public Content {
 public:
  // Its entry is pinned for it, under the core's lock.
  HeldContent(std::shared_ptr<CacheCore> core, const ContentId& id, CacheEntry& entry)
      : core_(std::move(core)), id_(id), entry_(entry), bytes_(entry.bytes), bits_(entry.kept) {}
  ~HeldContent() override { core_->release(id_); }

  // Before anybody gets it. Any error: what the cache knew of it is wrong.
  Status open_file();

  uint64_t bytes() const override { return bytes_; }
  uint32_t blocks() const override { return blocks_of(bytes_); }
  bool has(uint32_t block) const override { return bits_ ? bits_->has(block) : block < blocks(); }
  bool is_whole() const override { return !bits_ || bits_->is_whole(); }
  int fd() const override { return fd_.load(std::memory_order_acquire); }
  Status keep(uint32_t block, BytesView plain) override;

 private:
  Status write(uint32_t block, BytesView plain);

  const std::shared_ptr<CacheCore> core_;
  const ContentId id_;
  CacheEntry& entry_;
  const uint64_t bytes_;
  const std::shared_ptr<BlockBits> bits_;
  std::mutex mutex_;
  io::Fd file_;
  std::atomic<int> fd_ = -1;
};

}  // namespace mcloud::image
