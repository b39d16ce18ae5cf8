// Which blocks of a content are there: one bit each, set once, read by any thread without a lock.
#pragma once

#include <atomic>  // readers ask for every block they read; a lock would be shared by all of them
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace mcloud::image {

class BlockBits {
 public:
  explicit BlockBits(uint32_t blocks) : blocks_(blocks), words_((blocks + 63) / 64) {}

  uint32_t blocks() const { return blocks_; }
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  bool is_whole() const { return count() == blocks_; }
  // What was written before set() is seen by whoever has() told so.
  bool has(uint32_t block) const {
    return block < blocks_ && (words_[block / 64].load(std::memory_order_acquire) & mask(block)) != 0;
  }
  // True if it was not set before.
  bool set(uint32_t block) {
    if (words_[block / 64].fetch_or(mask(block), std::memory_order_acq_rel) & mask(block)) return false;
    count_.fetch_add(1, std::memory_order_acq_rel);
    return true;
  }
  void clear() {
    count_.store(0, std::memory_order_release);
    for (auto& word : words_) word.store(0, std::memory_order_release);
  }

  // Bit 0 of byte 0 is block 0; (blocks + 7) / 8 bytes.
  Bytes bytes() const;
  // Sets what `bytes` says; false, and nothing set, unless they have the length and no bit beyond the last block.
  bool add(BytesView bytes);

 private:
  static uint64_t mask(uint32_t block) { return uint64_t{1} << (block % 64); }

  uint32_t blocks_;
  std::vector<std::atomic<uint64_t>> words_;
  std::atomic<uint32_t> count_ = 0;
};

}  // namespace mcloud::image
