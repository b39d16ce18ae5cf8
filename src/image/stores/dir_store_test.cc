#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "crypto/hash.h"
#include "image/blocks/block.h"
#include "image/stores/store.h"
#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

constexpr uint64_t kTime = 10'000;

std::string place(const std::string& folder, const Hash& id) {
  return folder + "/" + id.hex().substr(0, 2) + "/" + id.hex();
}

}  // namespace

TEST_CASE("a folder keeps blocks where the public tools look for them") {
  testing::TemporaryFolder folder;
  auto store = open_store("dir://" + folder / "made when needed").value();
  Hash id = crypto::blake2b("bytes");
  CHECK_FALSE(store->has(id, kTime).value());
  CHECK_EQ(store->get(id, kTime).error().code, Code::Unavailable);
  CHECK(store->flush(kTime).has_value());
  CHECK(store->put(id, "bytes", kTime).has_value());
  CHECK(store->flush(kTime).has_value());
  CHECK(store->has(id, kTime).value());
  CHECK_EQ(store->get(id, kTime).value(), "bytes");
  CHECK_EQ(io::read_file(place(folder / "made when needed", id)).value(), "bytes");
  CHECK_EQ(store->get(crypto::blake2b("other"), kTime).error().code, Code::NotFound);
}

TEST_CASE("blocks that lie flat in the folder are read") {
  testing::TemporaryFolder folder;
  Hash id = crypto::blake2b("old");
  CHECK(io::write_file(folder / id.hex(), "old", io::Durability::None).has_value());
  auto store = open_store("dir://" + folder.path() + "/").value();
  CHECK_EQ(store->get(id, kTime).value(), "old");
  CHECK(store->has(id, kTime).value());
}

TEST_CASE("what a crash left under a block's name is not taken for the block, and is put again") {
  testing::TemporaryFolder folder;
  auto store = open_store("dir://" + folder.path()).value();
  Bytes bytes(10'000, 'b');
  Hash id = crypto::blake2b(bytes);
  CHECK(store->put(id, bytes, kTime).has_value());
  for (uint64_t left : {uint64_t{0}, uint64_t{1}, uint64_t{4096}, uint64_t{9'999}}) {
    REQUIRE_EQ(truncate(place(folder.path(), id).c_str(), static_cast<off_t>(left)), 0);
    CHECK_FALSE(store->has(id, kTime).value());
    REQUIRE_EQ(truncate(place(folder.path(), id).c_str(), 10'000), 0);  // its size, but zeros
    CHECK_FALSE(store->has(id, kTime).value());
    CHECK(store->put(id, bytes, kTime).has_value());
    CHECK(store->has(id, kTime).value());
  }
}

TEST_CASE("a file that is larger than any block is Corrupt, and not read") {
  testing::TemporaryFolder folder;
  auto store = open_store("dir://" + folder.path()).value();
  Hash id = crypto::blake2b("x");
  CHECK(store->put(id, "x", kTime).has_value());
  REQUIRE_EQ(truncate(place(folder.path(), id).c_str(), 1ll << 40), 0);
  CHECK_EQ(store->get(id, kTime).error().code, Code::Corrupt);
  CHECK_FALSE(store->has(id, kTime).value());
}

TEST_CASE("threads that put the same blocks at once leave whole ones") {
  testing::TemporaryFolder folder;
  auto store = open_store("dir://" + folder.path()).value();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          Bytes bytes = "block " + std::to_string(i);
          if (!store->put(crypto::blake2b(bytes), bytes, kTime).has_value()) std::abort();
        }
      });
    }
  }
  for (int i = 0; i < 50; ++i) CHECK(store->has(crypto::blake2b("block " + std::to_string(i)), kTime).value());
}
