// What a content cache keeps, forgets and finds again.
#include "image/cache/content_cache.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "image/cache/test_fakes.h"
#include "testing/simulated_random.h"
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

TEST_CASE("what is torn, unknown or of another size is thrown away at open") {
  TemporaryFolder folder;
  const uint64_t bytes = 9 * kBlockBytes;
  auto path = [&](const std::string& name) { return folder / "cache/" + name; };
  std::vector<std::string> haves(6), parts(6);
  {
    auto cache = open_cache(folder / "cache");
    for (uint64_t number = 0; number < 6; ++number) {
      auto content = hold(*cache, number, bytes);
      REQUIRE(keep(*content, number, 3).has_value());
    }
    keep_all(*hold(*cache, 10, 5000), 10);
    settle_all(*cache);
  }
  std::string whole;
  for (const std::string& sub : *io::list_folder(folder / "cache")) {
    for (const std::string& file : *io::list_folder(path(sub))) {
      auto name = parse_file_name(sub + "/" + file);
      REQUIRE(name);
      if (name->kind == CacheName::Kind::Whole) whole = path(sub + "/" + file);
      for (uint64_t number = 0; number < 6; ++number) {
        if (name->id != id_of(number)) continue;
        (name->kind == CacheName::Kind::Have ? haves : parts)[number] = path(sub + "/" + file);
      }
    }
  }
  auto put = [](const std::string& to, BytesView some) {
    REQUIRE(io::write_file(to, some, io::Durability::None).has_value());
  };
  const Bytes good = *io::read_file(haves[0]);
  put(haves[1], good.substr(0, good.size() - 1));                            // torn
  put(haves[2], "mchave2\n" + good.substr(8));                               // of another version
  put(haves[3], good.substr(0, good.size() - 1) + '\xff');                   // bits beyond the last block
  REQUIRE(::truncate(parts[4].c_str(), 100) == 0);                           // of another size than its .have says
  put(parts[5] + ".x", "?");                                                 // unknown
  put(folder / "cache/mine", "?");                                           // outside of our folders
  put(haves[0].substr(0, haves[0].size() - 21) + "0000000000000001.have", good);  // of an earlier life
  REQUIRE(::truncate(whole.c_str(), 4999) == 0);
  {
    auto cache = open_cache(folder / "cache");
    CHECK(cache->figures().contents == 3);
    CHECK(hold(*cache, 0, bytes)->has(3));
    for (uint64_t number : {1, 2, 3, 4}) CHECK_FALSE(hold(*cache, number, bytes)->has(3));
    CHECK(hold(*cache, 5, bytes)->has(3));
    CHECK_FALSE(hold(*cache, 10, 5000)->has(0));
  }
  CHECK(io::exists(folder / "cache/mine"));
  CHECK_FALSE(io::exists(parts[1]));
  CHECK_FALSE(io::exists(haves[2]));
  CHECK_FALSE(io::exists(parts[5] + ".x"));
  CHECK_FALSE(io::exists(whole));
}

TEST_CASE("a file that somebody removes costs a fetch") {
  TemporaryFolder folder;
  auto cache = open_cache(folder / "cache");
  keep_all(*hold(*cache, 1, 5000), 1);
  settle_all(*cache);
  for (const std::string& sub : *io::list_folder(folder / "cache")) {
    REQUIRE(io::remove_tree(folder / "cache/" + sub).has_value());
  }
  CHECK(cache->is_whole(id_of(1)));  // as far as it knows
  auto content = hold(*cache, 1, 5000);
  CHECK_FALSE(content->has(0));
  CHECK(cache->figures().contents == 0);
  keep_all(*content, 1);
  CHECK(read_block(*content, 0) == some_bytes(5000, 1));
}

TEST_CASE("a block that is none of the content is refused") {
  TemporaryFolder folder;
  auto cache = open_cache(folder / "cache");
  auto content = hold(*cache, 1, kBlockBytes + 10);
  CHECK(content->keep(2, "0123456789").error().code == Code::Invalid);
  CHECK(content->keep(1, "01234567890").error().code == Code::Invalid);
  CHECK(content->keep(0, "0123456789").error().code == Code::Invalid);
  CHECK(content->keep(1, "0123456789").has_value());
  CHECK(cache->hold(id_of(1), 10).error().code == Code::Invalid);
  CHECK(cache->hold(id_of(2), ~uint64_t{0}).error().code == Code::Invalid);
}

TEST_CASE("zeros stay a hole and an empty content needs no file") {
  TemporaryFolder folder;
  auto cache = open_cache(folder / "cache");
  auto content = hold(*cache, 1, 4 * kBlockBytes);
  for (uint32_t block = 0; block < 4; ++block) REQUIRE(content->keep(block, Bytes(kBlockBytes, '\0')).has_value());
  CHECK(content->is_whole());
  CHECK(read_block(*content, 3) == Bytes(kBlockBytes, '\0'));
  CHECK(cache->figures().bytes == 0);
  auto empty = hold(*cache, 2, 0);
  CHECK(empty->is_whole());
  CHECK(empty->fd() == -1);
}

TEST_CASE("a second process is refused until the first is dead") {
  TemporaryFolder folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto cache = ContentCache::open({.folder = folder / "cache"});
    char told = cache.has_value() ? 'y' : 'n';
    (void)!::write(ready[1], &told, 1);
    while (true) ::pause();
  }
  char told = 0;
  REQUIRE(::read(ready[0], &told, 1) == 1);
  CHECK(told == 'y');
  auto second = ContentCache::open({.folder = folder / "cache"});
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == Code::Conflict);
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK(ContentCache::open({.folder = folder / "cache"}).has_value());
}

TEST_CASE("many threads hold, keep, read, settle and evict at once") {
  TemporaryFolder folder;
  auto cache = open_cache(folder / "cache", 400'000);
  std::vector<Bytes> files;
  for (uint64_t number = 0; number < 20; ++number) files.push_back(some_bytes(20'000 + number, number));
  std::atomic<int> wrong = 0, kept = 0, served = 0;
  {
    std::vector<std::jthread> threads;
    for (uint64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        mcloud::testing::SimulatedRandom random(thread);
        for (int i = 0; i < 400; ++i) {
          uint64_t number = random.below(files.size());
          auto content = cache->hold(id_of(number), files[number].size());
          if (!content.has_value()) {
            ++wrong;
          } else if ((*content)->has(0)) {
            ++served;
            wrong += read_block(**content, 0) != files[number];
          } else {
            kept += (*content)->keep(0, files[number]).has_value();
          }
          if (i % 20 == 0 && !cache->settle().has_value()) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(kept > 20);
  CHECK(served > 20);
  CHECK(cache->figures().evicted > 0);
  CHECK(cache->figures().bytes <= 400'000);
}
