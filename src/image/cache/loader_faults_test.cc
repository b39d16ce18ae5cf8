// Stores that are slow, dead or come back, a cache that is full, and the end.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>

#include "image/cache/test_world.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::image;
using namespace mcloud::image::testing;
using Steady = std::chrono::steady_clock;

namespace {

Bytes blocks(uint32_t count, uint64_t seed) { return some_bytes((count - 1) * kBlockBytes + 100, seed); }
Error dead() { return make_error(Code::Unavailable, "store: connection refused"); }

}  // namespace

TEST_CASE("an error goes to all who wait, and who asks next tries again") {
  LoaderWorld world({some_bytes(1000, 1)});
  world.stores->hold_back();
  world.stores->fail_with(dead());
  Want first(*world.image, 1, 0), second(*world.image, 1, 0);
  world.stores->wait_for_begun(1);
  world.stores->let_go();
  CHECK(first.wait().error().code == Code::Unavailable);
  CHECK(second.wait().error().message == dead().message);
  CHECK(world.image->figures().read_errors == 2);
  world.stores->fail_with(std::nullopt);
  CHECK(Want(*world.image, 1, 0).wait().has_value());
  CHECK(world.stores->begun().size() == 2);
}

TEST_CASE("waits end at the deadline, begun or not; what is cached is not delayed; what comes late is kept") {
  LoaderWorld world({blocks(8, 1), some_bytes(10, 2)}, {.fetches_max = 2}, 300);
  CHECK(Want(*world.image, 2, 0).wait().has_value());
  world.stores->hold_back();
  auto begin = Steady::now();
  std::vector<Want> wants;
  for (uint32_t block : {0, 2, 4, 6}) wants.emplace_back(*world.image, 1, block);
  world.stores->wait_for_running(2);
  CHECK(Want(*world.image, 2, 0).is_over());
  CHECK(world.cache->settle().has_value());
  for (const Want& want : wants) CHECK(want.wait().error().code == Code::TimedOut);
  auto took = Steady::now() - begin;
  CHECK(took >= std::chrono::milliseconds(300));
  CHECK(took < std::chrono::seconds(10));
  CHECK(world.image->figures().read_errors == 4);
  auto content = *world.image->hold(1);
  world.stores->let_go();
  CHECK(eventually([&] { return content->has(0) && content->has(2); }));
  for (uint32_t block : {4, 6}) CHECK(Want(*world.image, 1, block).wait().has_value());
  CHECK(world.stores->begun().size() == 5);  // nobody waited for 4 and 6 any more when their turn came
  for (const Want& want : wants) CHECK(want.calls() == 1);
}

TEST_CASE("an image whose stores are dead gets what another image's stores have, and the other way round") {
  LoaderWorld world({some_bytes(1000, 1)});
  auto other_stores = std::make_shared<FakeStores>(world.index->blocks());
  auto other = world.open(world.index, other_stores);
  world.stores->hold_back();
  world.stores->fail_with(dead());
  Want first(*world.image, 1, 0), second(*other, 1, 0);
  world.stores->wait_for_begun(1);
  world.stores->let_go();
  CHECK(first.wait().error().code == Code::Unavailable);
  CHECK(second.wait().has_value());
  CHECK(world.image->figures().read_errors == 1);
  CHECK(other->figures().read_errors == 0);
  CHECK(other_stores->begun().size() == 1);
  CHECK(Want(*world.image, 1, 0).is_over());
}

TEST_CASE("when the cache is full the one who waits gets the bytes, and nothing is loaded for nobody") {
  const Bytes file = blocks(3, 1);
  LoaderWorld world({file, blocks(100, 2)}, {.background_fetches_max = 1}, 60'000, 4096);
  auto outcome = Want(*world.image, 1, 1).wait();
  REQUIRE(outcome.has_value());
  REQUIRE(outcome->has_value());
  CHECK(**outcome == file.substr(kBlockBytes, kBlockBytes));
  CHECK(world.cache->figures().is_full);
  std::vector<BlockPlace> trace;
  for (uint32_t block = 0; block < 100; ++block) trace.push_back({2, block});
  world.image->prefetch(trace);
  world.stores->wait_for_begun(2);
  world.image->complete();
  world.stores->wait_for_begun(3);
  world.image.reset();
  world.loader.reset();
  // One of the trace, then one of the completion, which pauses.
  CHECK(world.stores->begun().size() == 3);
}

TEST_CASE("a completion goes on when stores come back") {
  LoaderWorld world({blocks(3, 1), some_bytes(10, 2)}, {.background_fetches_max = 1});
  world.stores->fail_with(dead());
  world.image->complete();
  world.stores->wait_for_begun(1);
  world.stores->fail_with(std::nullopt);
  CHECK(eventually([&] { return world.image->figures().cached_bytes == world.image->figures().bytes; }));
  CHECK(world.image->figures().read_errors == 0);
}

TEST_CASE("the end comes soon, tells who waits, and tells nobody later") {
  LoaderWorld world({blocks(20, 1)}, {.fetches_max = 2});
  world.stores->hold_back();
  std::vector<Want> wants;
  for (uint32_t block = 0; block < 20; block += 2) wants.emplace_back(*world.image, 1, block);
  world.image->complete();
  world.stores->wait_for_running(2);
  auto begin = Steady::now();
  world.loader.reset();
  CHECK(Steady::now() - begin < std::chrono::seconds(10));
  CHECK(world.stores->running() == 0);
  for (const Want& want : wants) {
    REQUIRE(want.is_over());
    CHECK(want.wait().error().code == Code::Cancelled);
    CHECK(want.calls() == 1);
  }
  CHECK(Want(*world.image, 1, 1).wait().error().code == Code::Cancelled);
  CHECK(world.image->hold(1).error().code == Code::Cancelled);
  world.image->prefetch({{1, 1}});
  world.image->complete();
}

TEST_CASE("what was wanted comes although the image is dropped; what nobody waits for does not") {
  LoaderWorld world({blocks(3, 1), blocks(9, 2)}, {.fetches_max = 2, .background_fetches_max = 1});
  world.stores->hold_back();
  world.image->complete();
  world.stores->wait_for_running(1);
  Want want(*world.image, 2, 8);
  world.image->prefetch({{2, 1}, {2, 2}});
  world.stores->wait_for_running(2);
  world.image.reset();
  world.stores->let_go();
  CHECK(want.wait().has_value());
  world.loader.reset();
  CHECK(world.stores->begun().size() == 2);
}

TEST_CASE("many readers, stores that come and go, and a cache that is too small: right bytes or an error") {
  std::vector<Bytes> files;
  for (uint64_t i = 0; i < 12; ++i) files.push_back(some_bytes(kBlockBytes / 2 + i, i));
  files.push_back(blocks(4, 99));
  const size_t count = files.size();
  LoaderWorld world(files, {.fetches_max = 6, .background_fetches_max = 2, .settle_ms = 1}, 60'000, 3 << 20);
  auto other = world.open(world.index, world.stores);
  other->complete();
  std::atomic<int> wrong = 0, good = 0, bad = 0;
  {
    std::vector<std::jthread> threads;
    for (uint64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        mcloud::testing::SimulatedRandom random(thread);
        for (int i = 0; i < 150; ++i) {
          if (random.chance(3)) world.stores->fail_with(dead());
          if (random.chance(20)) world.stores->fail_with(std::nullopt);
          auto node = static_cast<NodeNumber>(1 + random.below(count));
          const Bytes& file = world.index->file(node);
          auto block = static_cast<uint32_t>(random.below(blocks_of(file.size())));
          LoadedImage& image = random.chance(50) ? *world.image : *other;
          auto content = image.hold(node);
          if (random.chance(5)) image.prefetch({{node, 0}});
          auto outcome = Want(image, node, block).wait();
          const Bytes expected = file.substr(block * kBlockBytes, kBlockBytes);
          if (!outcome.has_value()) {
            ++bad;
          } else if (outcome->has_value()) {
            wrong += **outcome != expected;
          } else if (content.has_value()) {
            Bytes read(expected.size(), '\0');
            ssize_t got = ::pread((*content)->fd(), read.data(), read.size(), static_cast<off_t>(block * kBlockBytes));
            wrong += got != static_cast<ssize_t>(read.size()) || read != expected;
            ++good;
          }
        }
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(good > 100);
  MESSAGE(good.load(), " from the cache, ", bad.load(), " errors, ", world.cache->figures().evicted, " evicted");
}
