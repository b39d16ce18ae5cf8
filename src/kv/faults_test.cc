// A disk that is full, failing, torn or damaged.
#include "kv/test_store.h"

using namespace mcloud;
using namespace mcloud::kv;
using Operation = testing::SimulatedDisk::Operation;

namespace {

constexpr const char* kFirst = "/data/spaces/default/000000000000.log";

auto failing(Operation which, Code code) {
  return [which, code](Operation operation, const std::string&) -> std::optional<Error> {
    if (operation != which) return std::nullopt;
    return make_error(code, "as planned");
  };
}

}  // namespace

TEST_CASE("a full disk refuses the write, reads go on, and writes do again when there is space") {
  TestStore t;
  t.put("a", "1");
  t.disk.set_bytes_max(1);
  CHECK_EQ(t.try_put("b", std::string(2000, 'x')).error().code, Code::Exhausted);
  CHECK_EQ(t.get("a"), "1");
  CHECK_EQ(t.get("b"), "none");
  t.disk.set_bytes_max(0);
  t.put("c", "3");
  for (int opening = 0; opening < 2; ++opening) {
    CHECK_EQ(t.get("a"), "1");
    CHECK_EQ(t.get("b"), "none");
    CHECK_EQ(t.get("c"), "3");
    CHECK_EQ(t.space->figures().next_sequence, 3);
    t.kill_and_open();
  }
}

TEST_CASE("what a failed write left behind never comes back") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    TestStore t;
    t.put("first", "1");
    t.disk.set_plan(failing(Operation::Write, Code::Unavailable));
    {
      auto writer = t.space->writer();
      for (int i = 0; i < 5; ++i)
        REQUIRE((*writer)->put("ghost" + std::to_string(i), std::string(seed * 7, 'g')).has_value());
      CHECK_EQ((*writer)->flush().error().code, Code::Unavailable);
      CHECK_EQ((*writer)->find("ghost0").value(), std::nullopt);
    }
    t.disk.set_plan(nullptr);
    // The same size as the first ghost: what is left of the others would fit behind it.
    t.put("solid0", std::string(seed * 7, 's'));
    t.kill_and_open();
    CHECK_EQ(t.get("solid0"), std::string(seed * 7, 's'));
    for (int i = 0; i < 5; ++i) CHECK_EQ(t.get("ghost" + std::to_string(i)), "none");
    CHECK_EQ(t.space->figures().next_sequence, 3);
  }
}

TEST_CASE("a failed sync is told to whoever waits, refuses all later writes, and reads go on") {
  TestStore t;
  t.put("a", "1");
  CHECK(t.sync(t.space->figures().end).has_value());
  Position end = t.put("b", "2");
  t.disk.set_plan(failing(Operation::Sync, Code::Unavailable));
  CHECK_EQ(t.sync(end).error().code, Code::Unavailable);
  t.disk.set_plan(nullptr);
  CHECK_EQ(t.sync(end).error().code, Code::Unavailable);
  CHECK_EQ(t.try_put("c", "3").error().code, Code::Unavailable);
  CHECK(t.space->figures().failure.find("as planned") != std::string::npos);
  CHECK(t.space->durable_position() < end);
  CHECK_EQ(t.get("a"), "1");
  CHECK_EQ(t.get("b"), "2");
  t.open();
  t.put("c", "3");
  CHECK_EQ(t.get("c"), "3");
}

TEST_CASE("a torn tail is cut off, and what follows does not bring it back") {
  TestStore t;
  Position safe = t.put("a", "1");
  REQUIRE(t.sync(safe).has_value());
  t.put("b", std::string(200, 'b'));
  t.put("c", std::string(200, 'c'));
  // The middle of b did not reach the disk, c did.
  REQUIRE(t.disk.damage(kFirst, safe + 100, "????").has_value());
  t.kill_and_open();
  CHECK_EQ(t.get("a"), "1");
  CHECK_EQ(t.get("b"), "none");
  CHECK_EQ(t.get("c"), "none");
  CHECK_EQ(t.space->figures().end, safe);
  CHECK_EQ(t.space->figures().corrupt_records, 0);
  t.put("d", std::string(200, 'd'));
  t.kill_and_open();
  CHECK_EQ(t.get("c"), "none");
  CHECK_EQ(t.space->figures().keys, 2);
}

TEST_CASE("damage inside is reported, skipped and never hides what follows") {
  TestStore t;
  t.put("k", "old");
  Position bad = t.put("x", "1");
  t.put("k", "lost");
  Position after = t.put("y", "2");
  REQUIRE(t.sync(after).has_value());
  Position last = t.put("z", "3");  // says that all before was durable
  REQUIRE(t.sync(last).has_value());
  SUBCASE("in a value: the key answers an error, not its past") {
    REQUIRE(t.disk.damage(kFirst, bad + 64 + 2, "X").has_value());
    CHECK_EQ(t.get("k"), "error: corrupt");
    CHECK_EQ(t.space->verify({}).value().size(), 1);
    t.kill_and_open();
    CHECK_EQ(t.get("k"), "error: corrupt");
  }
  SUBCASE("in a head") {
    REQUIRE(t.disk.damage(kFirst, bad + 33, "X").has_value());
    CHECK_EQ(t.get("k"), "error: corrupt");
    t.kill_and_open();
  }
  CHECK_EQ(t.space->figures().corrupt_records, 1);
  CHECK_EQ(t.space->verify({}).value().at(0).position, bad);
  CHECK_EQ(t.get("x"), "1");
  CHECK_EQ(t.get("y"), "2");
  CHECK_EQ(t.get("z"), "3");
  CHECK_EQ(t.space->figures().end, last);
  t.put("k", "anew");
  t.kill_and_open();
  CHECK_EQ(t.get("k"), "anew");
  CHECK_EQ(t.space->figures().keys, 4);
}

TEST_CASE("a damaged checkpoint is no loss: its segment is read instead") {
  TestStore t;
  for (int i = 0; i < 100; ++i) t.put("key" + std::to_string(i), std::string(300, 'a'));
  t.close();
  for (uint64_t offset : {10u, 60u, 400u, 570u, 600u}) {
    REQUIRE(t.disk.damage("/data/spaces/default/000000000000.index", offset, "!!!").has_value());
    t.open();
    for (int i = 0; i < 100; ++i) CHECK_EQ(t.get("key" + std::to_string(i)), std::string(300, 'a'));
    CHECK_EQ(t.space->figures().live_bytes, 100 * 300 + 490);
    CHECK_EQ(t.space->figures().corrupt_records, 0);
    t.close();
  }
}

TEST_CASE("with checkpoints, opening reads no segment") {
  uint64_t reads = 0;  // outlives the store, which the disk's plan is asked by to the end
  TestStore t;
  for (int i = 0; i < 100; ++i) t.put("key" + std::to_string(i), std::string(300, 'a'));
  t.close();
  t.disk.set_plan([&](Operation operation, const std::string& path) -> std::optional<Error> {
    if (operation == Operation::Read && path.ends_with(".log")) ++reads;
    return std::nullopt;
  });
  t.open();
  CHECK_EQ(reads, 5);  // the sizes of five segments
  CHECK_EQ(t.get("key77"), std::string(300, 'a'));
}

TEST_CASE("a damaged meta file is refused with its name") {
  TestStore t;
  t.close();
  REQUIRE(t.disk.damage("/data/spaces/default/meta", 20, "x").has_value());
  auto opened = t.try_open();
  CHECK_EQ(opened.error().code, Code::Corrupt);
  CHECK(opened.error().message.find("default") != std::string::npos);
}

TEST_CASE("a read that the disk cannot serve is an error of that read") {
  TestStore t;
  t.put("a", "1");
  t.disk.set_plan(failing(Operation::Read, Code::Unavailable));
  CHECK_EQ(t.get("a"), "error: unavailable");
  CHECK_EQ(t.try_put("a", "2").error().code, Code::Unavailable);
  t.disk.set_plan(nullptr);
  CHECK_EQ(t.get("a"), "1");
}
