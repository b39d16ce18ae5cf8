// Disks that are full, that nobody may write, and that fail.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <thread>

#include "image/cache/test_fakes.h"
#include "image/cache/test_files.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;
using namespace mcloud::image::testing;
using mcloud::testing::SimulatedDisk;
using mcloud::testing::TemporaryFolder;

namespace {

ContentId id_of(uint64_t number) { return crypto::blake2b(std::to_string(number)); }

std::shared_ptr<Content> hold(ContentCache& cache, uint64_t number, uint64_t bytes) {
  return cache.hold(id_of(number), bytes).value_or(nullptr);
}

Status keep(ContentCache& cache, uint64_t number, uint64_t bytes) {
  auto content = hold(cache, number, bytes);
  if (!content) return make_error(Code::Internal, "no content");
  return content->keep(0, some_bytes(bytes, number));
}

Code code_of(const Status& status) { return status.has_value() ? Code::Internal : status.error().code; }

void settle_all(ContentCache& cache) {
  Result<bool> more = true;
  while (more.has_value() && *more) more = cache.settle();
  CHECK(more.has_value());
}

// Runs on a thread with mounts of its own, gone with it. No REQUIRE inside: an exception would end the program.
template <typename Work>
void on_small_disk(const Work& work) {
  TemporaryFolder folder;
  std::jthread([&] {
    bool is_mounted = ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) == 0 &&
                      ::mount("none", folder.path().c_str(), "tmpfs", 0, "size=20m") == 0;
    CHECK(is_mounted);
    if (is_mounted) work(folder.path());
  }).join();
}

}  // namespace

TEST_CASE("a full disk keeps nothing new, serves what it has, and goes on when there is room") {
  on_small_disk([](const std::string& disk) {
    auto cache = std::move(*ContentCache::open({.folder = disk + "/cache"}));
    CHECK(keep(*cache, 1, 300'000).has_value());
    settle_all(*cache);
    auto held = hold(*cache, 1, 300'000);
    CHECK_FALSE(io::write_file(disk + "/others", Bytes(30 << 20, 'x'), io::Durability::None).has_value());
    auto ballast = io::Fd(::open((disk + "/ballast").c_str(), O_WRONLY | O_CREAT, 0600));
    const Bytes page(4096, 'x');
    while (::write(ballast.get(), page.data(), page.size()) > 0) continue;
    CHECK(code_of(keep(*cache, 2, 300'000)) == Code::Exhausted);
    CHECK(cache->figures().is_full);
    CHECK(cache->figures().bytes < 310'000);
    CHECK(held->is_whole());
    settle_all(*cache);
    CHECK(cache->figures().is_full);
    // What is not in use gives way to what is.
    held.reset();
    CHECK(keep(*cache, 3, 200'000).has_value());
    CHECK_FALSE(cache->is_whole(id_of(1)));
    held = hold(*cache, 3, 200'000);
    CHECK(code_of(keep(*cache, 2, 300'000)) == Code::Exhausted);
    CHECK(::unlink((disk + "/ballast").c_str()) == 0);
    ballast.reset();
    settle_all(*cache);
    CHECK_FALSE(cache->figures().is_full);
    CHECK(keep(*cache, 2, 300'000).has_value());
  });
}

TEST_CASE("a read-only disk serves what it has and goes on when it can be written") {
  on_small_disk([](const std::string& disk) {
    {
      auto cache = std::move(*ContentCache::open({.folder = disk + "/cache"}));
      CHECK(keep(*cache, 1, 5000).has_value());
      settle_all(*cache);
    }
    CHECK(::mount("none", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=20m") == 0);
    auto opened = ContentCache::open({.folder = disk + "/cache", .bytes_max = 8192});
    CHECK(opened.has_value());
    if (!opened.has_value()) return;
    auto cache = std::move(*opened);
    auto known = hold(*cache, 1, 5000);
    CHECK(known->is_whole());
    Bytes read(5000, '\0');
    CHECK(::pread(known->fd(), read.data(), read.size(), 0) == 5000);
    CHECK(read == some_bytes(5000, 1));
    known.reset();
    CHECK(code_of(keep(*cache, 2, 5000)) == Code::Exhausted);
    CHECK(cache->figures().is_full);
    CHECK(cache->is_whole(id_of(1)));
    settle_all(*cache);
    CHECK(::mount("none", disk.c_str(), "tmpfs", MS_REMOUNT, "size=20m") == 0);
    settle_all(*cache);
    CHECK_FALSE(cache->figures().is_full);
    CHECK(keep(*cache, 2, 5000).has_value());
    CHECK_FALSE(cache->is_whole(id_of(1)));  // it gave way
  });
}

TEST_CASE("what a disk did not take at its sync is no longer read") {
  SimulatedDisk disk(1);
  TemporaryFolder folder;
  auto cache = std::move(*ContentCache::open(std::move(*MirroredFiles::open(disk, folder / "cache")), 1 << 30));
  auto content = hold(*cache, 1, 5000);
  REQUIRE(content->keep(0, some_bytes(5000, 1)).has_value());
  CHECK(content->is_whole());
  disk.set_plan([](SimulatedDisk::Operation operation, const std::string&) -> std::optional<Error> {
    if (operation == SimulatedDisk::Operation::Sync) return make_error(Code::Internal, "Input/output error");
    return std::nullopt;
  });
  CHECK_FALSE(cache->settle().has_value());
  disk.set_plan(nullptr);
  CHECK_FALSE(content->has(0));
  CHECK_FALSE(content->is_whole());
  CHECK(cache->figures().unsettled == 0);
  CHECK_FALSE(content->keep(0, some_bytes(5000, 1)).has_value());
  content.reset();
  CHECK(cache->figures().bytes == 0);
  CHECK(keep(*cache, 1, 5000).has_value());
  settle_all(*cache);
  CHECK(cache->is_whole(id_of(1)));
}
