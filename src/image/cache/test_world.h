// For tests of the loader: one with a cache, an image and stores.
#pragma once

#include <chrono>
#include <thread>  // eventually() lets others run

#include "image/cache/test_fakes.h"
#include "testing/temporary_folder.h"

namespace mcloud::image::testing {

struct LoaderWorld {
  explicit LoaderWorld(std::vector<Bytes> files, const LoaderOptions& options = {}, uint64_t block_timeout_ms = 60'000,
                       uint64_t cache_bytes_max = 1 << 30)
      : index(std::make_shared<FakeIndex>(std::move(files))), stores(std::make_shared<FakeStores>(index->blocks())) {
    cache = std::move(*ContentCache::open({.folder = folder / "cache", .bytes_max = cache_bytes_max}));
    loader = Loader::create(*cache, options);
    image = open(index, stores, block_timeout_ms);
  }
  std::shared_ptr<LoadedImage> open(std::shared_ptr<const Index> of, std::shared_ptr<FakeStores> from,
                                    uint64_t block_timeout_ms = 60'000) {
    return std::move(*loader->open(std::move(of), std::make_unique<FakeRoutes>(std::move(from)), block_timeout_ms));
  }
  Hash id(NodeNumber file, uint32_t block) const { return index->block(file, block).id; }

  mcloud::testing::TemporaryFolder folder;
  std::shared_ptr<FakeIndex> index;
  std::shared_ptr<FakeStores> stores;
  std::unique_ptr<ContentCache> cache;
  std::unique_ptr<Loader> loader;
  std::shared_ptr<LoadedImage> image;
};

// For what no condition tells; 20 s.
template <typename Condition>
bool eventually(const Condition& condition) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace mcloud::image::testing
