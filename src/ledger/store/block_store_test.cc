#include "ledger/store/block_store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "io/file.h"
#include "ledger/store/segment.h"
#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

// These tests cut off hundreds of tails, each worth a warning in life.
struct Quiet {
  Quiet() { log::set_level(log::Level::Error); }
  ~Quiet() { log::set_level(log::Level::Info); }
};

// No test with this loses power, so nothing need be synced.
std::unique_ptr<BlockStore> open(const std::string& folder, size_t segment_bytes_max = 1 << 20) {
  Result<std::unique_ptr<BlockStore>> store =
      BlockStore::open(folder, {.segment_bytes_max = segment_bytes_max, .sync = [](int) -> Status { return {}; }});
  REQUIRE_MESSAGE(store.has_value(), (store.has_value() ? "" : store.error().message));
  return std::move(*store);
}

Bytes block(uint64_t height) { return "block " + std::to_string(height) + Bytes(height % 50, 'x'); }

void fill(const std::string& folder, uint64_t from, uint64_t to, size_t segment_bytes_max = 1 << 20) {
  auto store = open(folder, segment_bytes_max);
  for (uint64_t height = from; height <= to; ++height) REQUIRE(store->append(height, block(height)).has_value());
}

std::string only_segment(const std::string& folder) { return folder + "/" + segment_name(0); }

void overwrite(const std::string& path, const Bytes& bytes) {
  REQUIRE(io::write_file(path, bytes, io::Durability::None).has_value());
}

// A disk on which only what was synced survives.
struct ForgetfulDisk {
  std::string path;
  off_t durable_bytes = 0;

  BlockStore::Options options() {
    return {.segment_bytes_max = 1 << 20, .sync = [this](int fd) -> Status {
              struct stat about{};
              ::fstat(fd, &about);
              durable_bytes = about.st_size;
              return {};
            }};
  }
  void lose_power() { REQUIRE(::truncate(path.c_str(), durable_bytes) == 0); }
};

}  // namespace

TEST_CASE("blocks are read back after being closed and opened, over many segments") {
  testing::TemporaryFolder folder;
  fill(folder.path(), 0, 150, 600);
  fill(folder.path(), 151, 300, 600);
  CHECK(io::list_folder(folder.path())->size() > 20);
  auto store = open(folder.path(), 600);
  CHECK(store->last_height() == 300);
  for (uint64_t height = 0; height <= 300; ++height) CHECK(store->read(height).value() == block(height));
  for (uint64_t height = 301; height-- > 0;) CHECK(store->read(height).value() == block(height));
  CHECK(store->read(301).error().code == Code::NotFound);
}

TEST_CASE("a long segment is read through its sparse index") {
  testing::TemporaryFolder folder;
  fill(folder.path(), 0, 1000);
  auto store = open(folder.path());
  for (uint64_t height : {0, 1, 63, 64, 65, 127, 128, 999, 1000}) CHECK(store->read(height).value() == block(height));
}

TEST_CASE("an empty chain has no height") {
  testing::TemporaryFolder folder;
  auto store = open(folder.path());
  CHECK_FALSE(store->last_height().has_value());
  CHECK(store->read(0).error().code == Code::NotFound);
}

TEST_CASE("a gap in the heights is refused") {
  testing::TemporaryFolder folder;
  auto store = open(folder.path());
  REQUIRE(store->append(0, "genesis").has_value());
  CHECK_FALSE(store->append(2, "two").has_value());
}

TEST_CASE("a torn tail of any length is cut off on open, and the chain goes on") {
  Quiet quiet;
  testing::TemporaryFolder source;
  fill(source.path(), 0, 3);
  Bytes whole = *io::read_file(only_segment(source.path()));
  size_t last_record = kRecordHeaderSize + block(3).size();
  for (size_t lost = 1; lost <= last_record; ++lost) {
    testing::TemporaryFolder folder;
    overwrite(only_segment(folder.path()), whole.substr(0, whole.size() - lost));
    auto store = open(folder.path());
    REQUIRE(store->last_height() == 2);
    REQUIRE(store->append(3, "another").has_value());
    CHECK(store->read(3).value() == "another");
    CHECK(store->read(2).value() == block(2));
  }
}

TEST_CASE("a last record with any byte damaged counts as torn; a damaged earlier one is corruption") {
  Quiet quiet;
  testing::TemporaryFolder source;
  fill(source.path(), 0, 3);
  Bytes whole = *io::read_file(only_segment(source.path()));
  size_t last_begins = whole.size() - kRecordHeaderSize - block(3).size();
  for (size_t at = kSegmentHeaderSize; at < whole.size(); ++at) {
    testing::TemporaryFolder folder;
    Bytes damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    overwrite(only_segment(folder.path()), damaged);
    Result<std::unique_ptr<BlockStore>> store = BlockStore::open(folder.path(), {});
    if (at < last_begins) {
      REQUIRE_FALSE(store.has_value());
      CHECK(store.error().code == Code::Corrupt);
    } else {
      REQUIRE(store.has_value());
      CHECK((*store)->last_height() == 2);
    }
  }
}

TEST_CASE("what a crash left as zeros or noise after the last block is cut off") {
  Quiet quiet;
  testing::SimulatedRandom random(1);
  for (Bytes tail : {Bytes(5000, '\0'), random.bytes(5000), Bytes("BLK1BLK1BLK1"), Bytes(100, 'B')}) {
    testing::TemporaryFolder folder;
    fill(folder.path(), 0, 3);
    Bytes whole = *io::read_file(only_segment(folder.path()));
    overwrite(only_segment(folder.path()), whole + tail);
    CHECK(open(folder.path())->last_height() == 3);
    CHECK(io::read_file(only_segment(folder.path())).value() == whole);
  }
}

TEST_CASE("a transaction that looks like a record cannot make a torn tail look like corruption") {
  Quiet quiet;
  testing::TemporaryFolder folder;
  fill(folder.path(), 0, 1);
  Bytes disguise = encode_record({0, Bytes(16, '\0')}, 7, "guess");
  {
    auto store = open(folder.path());
    REQUIRE(store->append(2, "x" + disguise + "some more that is torn off").has_value());
  }
  Bytes whole = *io::read_file(only_segment(folder.path()));
  overwrite(only_segment(folder.path()), whole.substr(0, whole.size() - 5));
  CHECK(open(folder.path())->last_height() == 1);
}

TEST_CASE("a segment that is missing or foreign is noticed") {
  testing::TemporaryFolder folder;
  fill(folder.path(), 0, 100, 600);
  std::vector<std::string> names = *io::list_folder(folder.path());
  std::string before_last = folder.path() + "/" + names[names.size() - 2];
  Bytes bytes = *io::read_file(before_last);
  REQUIRE(io::remove_tree(before_last).has_value());
  CHECK(BlockStore::open(folder.path(), {}).error().code == Code::Corrupt);
  overwrite(before_last, bytes.substr(0, bytes.size() - 1));
  CHECK(BlockStore::open(folder.path(), {}).error().code == Code::Corrupt);
  overwrite(before_last, bytes);
  overwrite(folder.path() + "/notes.txt", "hello");
  CHECK(BlockStore::open(folder.path(), {}).error().code == Code::Corrupt);
}

TEST_CASE("a block that was appended survives the loss of power") {
  testing::TemporaryFolder folder;
  ForgetfulDisk disk{only_segment(folder.path())};
  for (uint64_t height = 0; height < 20; ++height) {
    auto store = std::move(*BlockStore::open(folder.path(), disk.options()));
    REQUIRE(store->append(height, block(height)).has_value());
    store.reset();
    disk.lose_power();
    REQUIRE(open(folder.path())->last_height() == height);
  }
}

TEST_CASE("after a sync that failed nothing is appended any more: what is durable is not known") {
  testing::TemporaryFolder folder;
  bool is_broken = false;
  auto store = std::move(*BlockStore::open(folder.path(), {.sync = [&](int) -> Status {
                                             if (is_broken) return make_error(Code::Internal, "input/output error");
                                             return {};
                                           }}));
  REQUIRE(store->append(0, "genesis").has_value());
  is_broken = true;
  CHECK_FALSE(store->append(1, "one").has_value());
  is_broken = false;
  CHECK(store->append(1, "one").error().code == Code::Unavailable);
}
