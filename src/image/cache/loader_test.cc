// In which order blocks come.
#include "image/cache/loader.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "image/cache/test_world.h"

using namespace mcloud;
using namespace mcloud::image;
using namespace mcloud::image::testing;

namespace {

Bytes blocks(uint32_t count, uint64_t seed) { return some_bytes((count - 1) * kBlockBytes + 100, seed); }

size_t place_of(const std::vector<Hash>& all, const Hash& one) {
  return static_cast<size_t>(std::find(all.begin(), all.end(), one) - all.begin());
}

}  // namespace

TEST_CASE("a block that is wanted comes into the cache, and from there the next time") {
  LoaderWorld world({some_bytes(kBlockBytes + 10, 1)});
  auto content = *world.image->hold(1);
  auto outcome = Want(*world.image, 1, 1).wait();
  REQUIRE(outcome.has_value());
  CHECK_FALSE(outcome->has_value());
  CHECK(content->has(1));
  CHECK_FALSE(content->has(0));
  CHECK(Want(*world.image, 1, 1).is_over());
  CHECK(world.stores->begun().size() == 1);
  CHECK(world.image->trace() == std::vector<BlockPlace>{{1, 1}});
  LoadFigures figures = world.image->figures();
  CHECK(figures.bytes == kBlockBytes + 10);
  CHECK(figures.cached_bytes == 10);
  CHECK(figures.fetched_blocks == 1);
  CHECK(figures.fetched_bytes == 10);
}

TEST_CASE("what is no block of a file is refused") {
  LoaderWorld world({some_bytes(10, 1), ""});
  for (auto [node, block] : std::vector<std::pair<NodeNumber, uint32_t>>{{0, 0}, {1, 1}, {2, 0}, {3, 0}, {~0u, ~0u}}) {
    CHECK(Want(*world.image, node, block).wait().error().code == Code::Invalid);
  }
  CHECK(world.image->hold(0).error().code == Code::Invalid);
  CHECK(world.image->hold(3).error().code == Code::Invalid);
  CHECK(world.image->trace().empty());
}

TEST_CASE("a block that two ask for is fetched once") {
  LoaderWorld world({some_bytes(1000, 1)});
  world.stores->hold_back();
  Want first(*world.image, 1, 0), second(*world.image, 1, 0);
  world.stores->wait_for_begun(1);
  world.stores->let_go();
  CHECK(first.wait().has_value());
  CHECK(second.wait().has_value());
  CHECK(world.stores->begun().size() == 1);
}

TEST_CASE("demand does not wait for what nobody waits for, however much of it there is") {
  LoaderWorld world({blocks(10, 1), blocks(10, 2)}, {.fetches_max = 4, .background_fetches_max = 2});
  world.stores->hold_back();
  world.image->complete();
  world.stores->wait_for_running(2);
  Want first(*world.image, 2, 9), second(*world.image, 2, 7);
  world.stores->wait_for_running(4);
  auto begun = world.stores->begun();
  REQUIRE(begun.size() == 4);
  CHECK(std::set(begun.begin() + 2, begun.end()) == std::set{world.id(2, 9), world.id(2, 7)});
  world.stores->let_go();
  CHECK(first.wait().has_value());
  CHECK(second.wait().has_value());
  CHECK(eventually([&] { return world.image->figures().cached_bytes == world.image->figures().bytes; }));
  CHECK(world.stores->begun().size() == 20);
  CHECK(world.stores->running_most() == 4);
}

TEST_CASE("of what nobody waits for the trace comes first, then what is read ahead, then the rest") {
  LoaderWorld world({blocks(3, 1), blocks(8, 2), blocks(2, 3)}, {.fetches_max = 2, .background_fetches_max = 1});
  world.stores->hold_back();
  world.image->complete();
  world.stores->wait_for_running(1);
  Want first(*world.image, 2, 0);
  world.stores->wait_for_running(2);
  Want second(*world.image, 2, 1);  // in order: four more are read ahead
  world.image->prefetch({{3, 1}, {3, 0}});
  world.stores->let_go();
  CHECK(second.wait().has_value());
  CHECK(eventually([&] { return world.image->figures().cached_bytes == world.image->figures().bytes; }));
  auto begun = world.stores->begun();
  CHECK(begun.size() == 13);
  CHECK(place_of(begun, world.id(2, 1)) < place_of(begun, world.id(2, 2)));
  CHECK(place_of(begun, world.id(3, 1)) < place_of(begun, world.id(3, 0)));
  CHECK(place_of(begun, world.id(3, 0)) < place_of(begun, world.id(2, 2)));
  CHECK(place_of(begun, world.id(2, 2)) < place_of(begun, world.id(2, 5)));
  CHECK(place_of(begun, world.id(2, 5)) < place_of(begun, world.id(1, 1)));
  CHECK(place_of(begun, world.id(1, 2)) < place_of(begun, world.id(2, 6)));
}

TEST_CASE("a file that is read in order is read ahead, also when the reader finds the next blocks there") {
  LoaderWorld world({blocks(20, 1), blocks(20, 2)}, {.read_ahead_blocks = 3});
  auto content = *world.image->hold(1);
  CHECK(Want(*world.image, 1, 0).wait().has_value());
  CHECK(Want(*world.image, 1, 1).wait().has_value());
  CHECK(eventually([&] { return content->has(2) && content->has(3) && content->has(4); }));
  CHECK(Want(*world.image, 1, 5).wait().has_value());
  CHECK(eventually([&] { return content->has(6) && content->has(7) && content->has(8); }));
  for (uint32_t block : {7, 3, 12, 0, 19, 10}) CHECK(Want(*world.image, 2, block).wait().has_value());
  world.image.reset();
  world.loader.reset();  // nothing more comes
  CHECK(world.stores->begun().size() == 9 + 6);
}

TEST_CASE("a block of zeros is a hole and asks no store") {
  LoaderWorld world({Bytes(2 * kBlockBytes + 5, '\0')});
  auto content = *world.image->hold(1);
  for (uint32_t block : {1, 0}) {
    Want want(*world.image, 1, block);
    CHECK(want.is_over());
    CHECK_FALSE(want.wait()->has_value());
  }
  CHECK(world.stores->begun().empty());
  CHECK(content->has(0));
  world.image->complete();
  CHECK(eventually([&] { return content->is_whole(); }));
  CHECK(world.stores->begun().size() == 1);  // the short one
  struct stat about{};
  REQUIRE(::fstat(content->fd(), &about) == 0);
  CHECK(about.st_size == 2 * kBlockBytes + 5);
  CHECK(about.st_blocks * 512 < 64 << 10);
}

TEST_CASE("the start-up trace has each block once, in order, and is bounded") {
  std::vector<Bytes> files;
  for (uint64_t i = 0; i < 5000; ++i) files.push_back(std::to_string(i));
  LoaderWorld world(std::move(files));
  world.stores->fail_with(make_error(Code::NotFound, "as planned"));
  for (NodeNumber node = 5000; node > 0; --node) {
    CHECK_FALSE(Want(*world.image, node, 0).wait().has_value());
    if (node % 100 == 0) CHECK_FALSE(Want(*world.image, 5000, 0).wait().has_value());
  }
  auto trace = world.image->trace();
  REQUIRE(trace.size() == 4096);
  for (uint32_t i = 0; i < trace.size(); ++i) CHECK(trace[i] == BlockPlace{5000 - i, 0});
}

TEST_CASE("a trace of a stranger is checked and bounded") {
  LoaderWorld world({blocks(2, 1), "beyond"});
  std::vector<BlockPlace> trace = {{0, 0}, {1, 2}, {7, 0}, {~0u, ~0u}, {1, 1}, {1, 1}};
  trace.resize(1'000'000, {1, 1});
  trace.push_back({2, 0});
  world.image->prefetch(trace);
  auto content = *world.image->hold(1);
  CHECK(eventually([&] { return content->has(1); }));
  CHECK(Want(*world.image, 1, 0).wait().has_value());
  world.image.reset();
  world.loader.reset();
  CHECK(world.stores->begun() == std::vector{world.id(1, 1), world.id(1, 0)});
}

TEST_CASE("what was loaded is made durable without anybody asking") {
  LoaderWorld world({some_bytes(1000, 1)}, {.settle_ms = 1});
  CHECK(Want(*world.image, 1, 0).wait().has_value());
  CHECK(eventually([&] { return world.cache->figures().unsettled == 0; }));
  world.image.reset();
  world.loader.reset();
  world.cache.reset();
  auto again = std::move(*ContentCache::open({.folder = world.folder / "cache"}));
  CHECK(again->is_whole(world.index->content(1)));
}
