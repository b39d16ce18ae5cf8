#include "sink/ring.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::sink;

namespace {

pb::StoredBatch batch(size_t bytes, char fill = 'x') {
  pb::StoredBatch stored;
  stored.mutable_batch()->set_box(Bytes(bytes, fill));
  return stored;
}

std::vector<uint64_t> numbers(const Ring& ring, uint64_t after = 0) {
  std::vector<uint64_t> all;
  Status read = ring.each(after, [&](const pb::StoredBatch& stored) {
    all.push_back(stored.number());
    return true;
  });
  REQUIRE(read.has_value());
  return all;
}

Ring open(const std::string& folder, uint64_t quota = 64 << 10) {
  auto ring = Ring::open(folder, quota);
  REQUIRE_MESSAGE(ring.has_value(), (ring.has_value() ? "" : ring.error().message));
  return std::move(*ring);
}

std::string only_segment(const std::string& folder) {
  auto names = io::list_folder(folder);
  REQUIRE(names->size() == 1);
  return folder + "/" + names->front();
}

}  // namespace

TEST_CASE("batches come back in order, from any number on, and after opening again") {
  testing::TemporaryFolder folder;
  {
    Ring ring = open(folder / "ring");
    CHECK(numbers(ring).empty());
    for (uint64_t number = 1; number <= 5; ++number) CHECK(*ring.append(batch(10)) == number);
    CHECK(numbers(ring) == std::vector<uint64_t>{1, 2, 3, 4, 5});
  }
  Ring ring = open(folder / "ring");
  CHECK(numbers(ring, 3) == std::vector<uint64_t>{4, 5});
  CHECK(*ring.append(batch(10)) == 6);
}

TEST_CASE("the quota holds: the oldest go first and their numbers tell it") {
  testing::TemporaryFolder folder;
  Ring ring = open(folder / "ring");
  for (int i = 0; i < 200; ++i) {
    REQUIRE(ring.append(batch(1'000)).has_value());
    CHECK(ring.bytes() <= 64 << 10);
  }
  CHECK(ring.first_number() > 100);
  CHECK(numbers(ring).front() == ring.first_number());
  CHECK(numbers(ring).back() == 200);
  CHECK(numbers(ring).size() == 200 - ring.first_number() + 1);
  // Old segments are gone from the disk too.
  CHECK(io::list_folder(folder / "ring")->size() <= 8);
}

TEST_CASE("a batch that is too large for a segment is refused and nothing is lost") {
  testing::TemporaryFolder folder;
  Ring ring = open(folder / "ring");
  REQUIRE(ring.append(batch(10)).has_value());
  auto refused = ring.append(batch(9'000));
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == Code::Exhausted);
  CHECK(numbers(ring) == std::vector<uint64_t>{1});
}

TEST_CASE("a tail torn at any byte is cut off on open and its number used again") {
  testing::TemporaryFolder folder;
  Bytes whole;
  {
    Ring ring = open(folder / "whole");
    for (int i = 0; i < 3; ++i) REQUIRE(ring.append(batch(20, static_cast<char>('a' + i))).has_value());
    whole = *io::read_file(only_segment(folder / "whole"));
  }
  size_t record = whole.size() / 3;
  for (size_t length = 0; length <= whole.size(); ++length) {
    CAPTURE(length);
    std::string torn = folder / ("torn" + std::to_string(length));
    REQUIRE(io::make_folders(torn).has_value());
    REQUIRE(io::write_file(torn + "/0000000000000001.seg", BytesView(whole).substr(0, length), io::Durability::None)
                .has_value());
    Ring ring = open(torn);
    CHECK(numbers(ring).size() == length / record);
    CHECK(*ring.append(batch(20)) == length / record + 1);
    CHECK(numbers(open(torn)).size() == length / record + 1);
  }
}

TEST_CASE("a changed byte ends the segment there and what is before it stays") {
  testing::TemporaryFolder folder;
  {
    Ring ring = open(folder / "ring");
    for (int i = 0; i < 3; ++i) REQUIRE(ring.append(batch(20)).has_value());
  }
  std::string path = only_segment(folder / "ring");
  Bytes bytes = *io::read_file(path);
  bytes[bytes.size() / 3 + 15] ^= 1;
  REQUIRE(io::write_file(path, bytes, io::Durability::None).has_value());
  CHECK(numbers(open(folder / "ring")) == std::vector<uint64_t>{1});
}

TEST_CASE("a batch that cannot be written costs neither what is there nor its number") {
  testing::TemporaryFolder folder;
  Ring ring = open(folder / "ring");
  REQUIRE(ring.append(batch(5'000)).has_value());
  // The next segment's name is taken by something that is no file.
  std::string in_the_way = folder / "ring/0000000000000002.seg";
  REQUIRE(io::make_folders(in_the_way).has_value());
  CHECK(!ring.append(batch(5'000)).has_value());
  CHECK(numbers(ring) == std::vector<uint64_t>{1});
  REQUIRE(::rmdir(in_the_way.c_str()) == 0);
  CHECK(*ring.append(batch(5'000)) == 2);
  CHECK(numbers(ring) == std::vector<uint64_t>{1, 2});
  CHECK(numbers(open(folder / "ring")) == std::vector<uint64_t>{1, 2});
}

TEST_CASE("the newest segment stays whatever room is asked for, so that numbers go on") {
  testing::TemporaryFolder folder;
  Ring ring = open(folder / "ring");
  for (int i = 0; i < 3; ++i) REQUIRE(ring.append(batch(5'000)).has_value());
  CHECK(ring.drop_segment());
  CHECK(ring.drop_segment());
  CHECK(!ring.drop_segment());
  CHECK(numbers(ring) == std::vector<uint64_t>{3});
  CHECK(*open(folder / "ring").append(batch(10)) == 4);
}
