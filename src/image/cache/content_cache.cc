#include "image/cache/content_cache.h"

#include "image/cache/cache_core.h"

namespace mcloud::image {
namespace {

class FolderCache final : public ContentCache {
 public:
  explicit FolderCache(std::shared_ptr<CacheCore> core) : core_(std::move(core)) {}

  Result<std::shared_ptr<Content>> hold(const ContentId& id, uint64_t bytes) override { return core_->hold(id, bytes); }
  bool is_whole(const ContentId& id) const override { return core_->is_whole(id); }
  uint64_t kept_bytes(const ContentId& id) const override { return core_->kept_bytes(id); }
  Result<bool> settle() override { return core_->settle(); }
  CacheFigures figures() const override { return core_->figures(); }

 private:
  const std::shared_ptr<CacheCore> core_;
};

}  // namespace

Result<std::unique_ptr<ContentCache>> ContentCache::open(const CacheOptions& options) {
  auto files = TRY(open_cache_folder(options.folder));
  return open(std::move(files), options.bytes_max);
}

Result<std::unique_ptr<ContentCache>> ContentCache::open(std::unique_ptr<CacheFiles> files, uint64_t bytes_max) {
  auto core = std::make_shared<CacheCore>(std::move(files), bytes_max);
  TRY(core->load());
  return std::make_unique<FolderCache>(std::move(core));
}

}  // namespace mcloud::image
