// In which order blocks come, who is told, and when.
#include "image/cache/loader.h"

#include <doctest/doctest.h>

#include "image/cache/test_fakes.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;
using namespace mcloud::image::testing;
using mcloud::testing::TemporaryFolder;

namespace {

struct World {
  explicit World(std::vector<Bytes> files, LoaderOptions options = {}, uint64_t block_timeout_ms = 60'000)
      : index(std::make_shared<FakeIndex>(std::move(files))), stores(std::make_shared<FakeStores>(index->blocks())) {
    cache = std::move(*ContentCache::open({.folder = folder / "cache"}));
    loader = Loader::create(*cache, options);
    image = std::move(*loader->open(index, std::make_unique<FakeRoutes>(stores), block_timeout_ms));
  }

  TemporaryFolder folder;
  std::shared_ptr<FakeIndex> index;
  std::shared_ptr<FakeStores> stores;
  std::unique_ptr<ContentCache> cache;
  std::unique_ptr<Loader> loader;
  std::shared_ptr<LoadedImage> image;
};

}  // namespace

TEST_CASE("a block that is wanted comes into the cache, and from there the next time") {
  World world({some_bytes(kBlockBytes + 10, 1)});
  auto content = *world.image->hold(1);
  auto outcome = Want(*world.image, 1, 1).wait();
  REQUIRE(outcome.has_value());
  CHECK_FALSE(outcome->has_value());
  CHECK(content->has(1));
  CHECK_FALSE(content->has(0));
  CHECK(Want(*world.image, 1, 1).is_over());
  CHECK(world.stores->begun().size() == 1);
  CHECK(world.image->trace() == std::vector<BlockPlace>{{1, 1}});
  CHECK(world.image->figures().cached_bytes == 10);
}

TEST_CASE("a block that two ask for is fetched once") {
  World world({some_bytes(1000, 1)});
  world.stores->hold_back();
  Want first(*world.image, 1, 0), second(*world.image, 1, 0);
  world.stores->wait_for_begun(1);
  world.stores->let_go();
  CHECK(first.wait().has_value());
  CHECK(second.wait().has_value());
  CHECK(world.stores->begun().size() == 1);
}
