// For this room's tests: stores in memory that count, and fail when told to.
#pragma once

#include <atomic>  // a pipeline puts from many threads
#include <map>
#include <mutex>   // a pipeline puts from many threads

#include "image/stores/routes.h"

namespace mcloud::flist {

class MemoryStores final : public image::Routes {
 public:
  Result<Bytes> fetch(const image::BlockRef& ref, uint64_t plain_bytes) override {
    std::lock_guard lock(mutex_);
    ++fetches;
    auto found = blocks_.find(ref.id);
    if (found == blocks_.end()) return make_error(Code::NotFound, "block " + ref.id.hex());
    return image::decode_block(ref, found->second, plain_bytes);
  }
  Status put(const image::StoredBlock& block) override {
    std::lock_guard lock(mutex_);
    if (puts_until_failure == 0) return make_error(Code::Unavailable, "the store is away");
    --puts_until_failure;
    ++puts;
    if (!blocks_.emplace(block.ref.id, block.bytes).second) return {};
    figures_.put_blocks += 1;
    figures_.put_bytes += block.bytes.size();
    return {};
  }
  Status flush() override {
    ++flushes;
    return {};
  }
  std::vector<image::StoreFigures> figures() const override {
    std::lock_guard lock(mutex_);
    return {figures_};
  }
  size_t blocks() const { return blocks_.size(); }
  bool has(const Hash& id) const { return blocks_.contains(id); }

  uint64_t puts_until_failure = UINT64_MAX;
  size_t puts = 0;
  size_t fetches = 0;
  std::atomic<size_t> flushes = 0;

 private:
  mutable std::mutex mutex_;
  std::map<Hash, Bytes> blocks_;
  image::StoreFigures figures_;
};

}  // namespace mcloud::flist
