// What a content cache keeps, forgets and finds again.
#include "image/cache/content_cache.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/cache/test_fakes.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;
using image::testing::some_bytes;
using mcloud::testing::TemporaryFolder;

namespace {

ContentId id_of(uint64_t number) { return crypto::blake2b(std::to_string(number)); }

std::unique_ptr<ContentCache> open_cache(const std::string& folder, uint64_t bytes_max = 1 << 30) {
  auto opened = ContentCache::open({.folder = folder, .bytes_max = bytes_max});
  REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
  return std::move(*opened);
}

std::shared_ptr<Content> hold(ContentCache& cache, uint64_t number, uint64_t bytes) {
  auto held = cache.hold(id_of(number), bytes);
  REQUIRE_MESSAGE(held.has_value(), held.error().message);
  return *held;
}

Bytes block_of(BytesView file, uint32_t block) { return Bytes(file.substr(block * kBlockBytes, kBlockBytes)); }

Status keep(Content& content, uint64_t number, uint32_t block) {
  return content.keep(block, block_of(some_bytes(content.bytes(), number), block));
}

void keep_all(Content& content, uint64_t number) {
  for (uint32_t block = 0; block < content.blocks(); ++block) REQUIRE(keep(content, number, block).has_value());
}

void settle_all(ContentCache& cache) {
  while (true) {
    auto more = cache.settle();
    REQUIRE_MESSAGE(more.has_value(), more.error().message);
    if (!*more) return;
  }
}

Bytes read_block(const Content& content, uint32_t block) {
  Bytes out(block_bytes(content.bytes(), block), '\0');
  ssize_t got = ::pread(content.fd(), out.data(), out.size(), static_cast<off_t>(block * kBlockBytes));
  out.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return out;
}

}  // namespace

TEST_CASE("what was kept can be read from the descriptor and is found again when it was settled") {
  TemporaryFolder folder;
  const uint64_t bytes = 2 * kBlockBytes + 1000;
  {
    auto cache = open_cache(folder / "cache");
    auto content = hold(*cache, 1, bytes);
    CHECK(content->blocks() == 3);
    CHECK(content->fd() == -1);
    CHECK_FALSE(content->has(0));
    REQUIRE(keep(*content, 1, 2).has_value());
    REQUIRE(keep(*content, 1, 0).has_value());
    CHECK(content->has(0));
    CHECK_FALSE(content->has(1));
    CHECK(content->has(2));
    CHECK_FALSE(content->is_whole());
    CHECK(read_block(*content, 2) == block_of(some_bytes(bytes, 1), 2));
    CHECK(cache->figures().unsettled == 2);
    CHECK(hold(*cache, 1, bytes) == content);
    settle_all(*cache);
    CHECK(cache->figures().unsettled == 0);
    keep_all(*hold(*cache, 2, 5000), 2);
    settle_all(*cache);
    REQUIRE(keep(*hold(*cache, 3, 5000), 3, 0).has_value());  // never settled
  }
  auto cache = open_cache(folder / "cache");
  CHECK(cache->figures().contents == 2);
  auto content = hold(*cache, 1, bytes);
  CHECK(content->has(0));
  CHECK_FALSE(content->has(1));
  CHECK(content->has(2));
  CHECK(read_block(*content, 0) == block_of(some_bytes(bytes, 1), 0));
  CHECK(cache->is_whole(id_of(2)));
  CHECK(cache->kept_bytes(id_of(2)) == 5000);
  CHECK(read_block(*hold(*cache, 2, 5000), 0) == some_bytes(5000, 2));
  CHECK_FALSE(hold(*cache, 3, 5000)->has(0));
  REQUIRE(keep(*content, 1, 1).has_value());
  CHECK(content->is_whole());
  settle_all(*cache);
  CHECK(content->is_whole());
}

TEST_CASE("least recently used goes first, what is held never, also after a restart") {
  TemporaryFolder folder;
  const uint64_t size = 100'000, disk = 102'400;
  {
    auto cache = open_cache(folder / "cache", 3 * disk);
    for (uint64_t number : {1, 2, 3}) keep_all(*hold(*cache, number, size), number);
    settle_all(*cache);
    hold(*cache, 1, size);
    settle_all(*cache);
    CHECK(cache->figures().bytes == 3 * disk);
  }
  auto cache = open_cache(folder / "cache", 3 * disk);
  auto third = hold(*cache, 3, size);
  keep_all(*hold(*cache, 4, size), 4);
  CHECK_FALSE(cache->is_whole(id_of(2)));
  CHECK(cache->is_whole(id_of(1)));
  keep_all(*hold(*cache, 5, size), 5);
  CHECK_FALSE(cache->is_whole(id_of(1)));
  CHECK(third->is_whole());
  CHECK(cache->figures().evicted == 2);
  auto fourth = hold(*cache, 4, size), fifth = hold(*cache, 5, size), sixth = hold(*cache, 6, size);
  Status kept = keep(*sixth, 6, 0);
  REQUIRE_FALSE(kept.has_value());
  CHECK(kept.error().code == Code::Exhausted);
  CHECK(cache->figures().is_full);
  CHECK(cache->figures().bytes == 3 * disk);
  fourth.reset();
  settle_all(*cache);
  CHECK_FALSE(cache->figures().is_full);
  CHECK(keep(*sixth, 6, 0).has_value());
}
