// Versions, and what compaction keeps of them.
#include "kv/test_store.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

Settings with(History::Keep keep, uint64_t amount) {
  return {.durability = Durability::Always, .history = {keep, amount}};
}

}  // namespace

TEST_CASE("every version of a key is found by place, by sequence and by time, until history forgets it") {
  TestStore t;
  std::vector<uint64_t> times;
  for (int i = 1; i <= 5; ++i) {
    t.clock.advance(1000);
    times.push_back(t.clock.wall_ms());
    if (i == 4)
      t.remove("k");
    else
      t.put("k", "v" + std::to_string(i));
  }
  for (int opening = 0; opening < 2; ++opening) {
    CHECK_EQ(t.version("k", 0), "none");
    CHECK_EQ(t.version("k", 1), "v1");
    CHECK_EQ(t.version("k", 3), "v3");
    CHECK_EQ(t.version("k", 4), "deleted");
    CHECK_EQ(t.version("k", 99), "v5");
    CHECK_EQ(t.version("absent", 99), "none");
    CHECK_EQ((*t.space->find_at_time("k", times[2] + 999).value()).value, "v3");
    CHECK_FALSE(t.space->find_at_time("k", times[0] - 1).value().has_value());
    Entry newest = *t.space->find("k").value();
    CHECK_EQ(newest.sequence, 5);
    CHECK_EQ(newest.time_ms, times[4]);
    Entry before = t.space->at(*newest.previous).value();
    CHECK(before.is_deletion);
    CHECK_EQ(t.space->at(*before.previous).value().value, "v3");
    t.open();
  }
  CHECK_EQ(t.space->at(8).error().code, Code::Corrupt);
  CHECK_EQ(t.space->at(1 << 20).error().code, Code::NotFound);
}

TEST_CASE("forever: compaction drops nothing") {
  TestStore t;
  t.put("k", "v1");
  t.fill(3);
  t.put("k", "v2");
  uint64_t before = t.space->figures().log_bytes;
  t.compact();
  CHECK_EQ(t.space->figures().log_bytes, before);
  CHECK_EQ(t.version("k", 1), "v1");
}

TEST_CASE("last 1: compaction gives back what is not live, and the rest reads as before") {
  TestStore t(with(History::Keep::LastVersions, 1));
  t.put("cold", "ice");
  t.put("k", "v1");
  t.put("gone", "x");
  t.remove("gone");
  t.fill(4);
  t.put("k", "v2");
  uint64_t before = t.space->figures().log_bytes;
  uint64_t live = t.space->figures().live_bytes;
  uint64_t next = t.space->figures().next_sequence;
  Entry cold = *t.space->find("cold").value();
  t.compact();
  CHECK(t.space->figures().log_bytes < before / 3);
  for (int opening = 0; opening < 3; ++opening) {
    CHECK_EQ(t.get("cold"), "ice");
    CHECK_EQ(t.get("k"), "v2");
    CHECK_EQ(t.get("gone"), "none");
    CHECK_EQ(t.get("filler"), std::string(3000, 'f'));
    CHECK_EQ(t.version("k", 2), "none");
    CHECK_EQ(t.space->figures().keys, 3);
    CHECK_EQ(t.space->figures().live_bytes, live);
    CHECK_EQ(t.space->figures().next_sequence, next);
    Entry moved = *t.space->find("cold").value();
    CHECK_EQ(moved.sequence, cold.sequence);
    CHECK_EQ(moved.time_ms, cold.time_ms);
    CHECK_FALSE(moved.previous.has_value());
    CHECK(t.space->verify({}).value().empty());
    if (opening == 0)
      t.open();
    else
      t.kill_and_open();
  }
  t.compact();
  uint64_t small = t.space->figures().log_bytes;
  t.compact();
  CHECK_EQ(t.space->figures().log_bytes, small);  // nothing to gain: nothing is copied
}

TEST_CASE("last 2: the version before is kept, in its order, also when it alone has to move") {
  TestStore t(with(History::Keep::LastVersions, 2));
  t.put("k", "v1");
  t.put("k", "v2");
  t.put("d", "x");
  t.fill(2);
  t.put("k", "v3");
  t.remove("d");
  t.fill(2);
  uint64_t second = 2, third = t.space->find("k").value()->sequence;
  t.compact();
  for (int opening = 0; opening < 2; ++opening) {
    CHECK_EQ(t.get("k"), "v3");
    CHECK_EQ(t.version("k", third - 1), "v2");
    CHECK_EQ(t.version("k", second - 1), "none");
    CHECK_EQ(t.version("d", third), "x");
    CHECK_EQ(t.get("d"), "none");
    Entry newest = *t.space->find("k").value();
    CHECK_EQ(t.space->at(*newest.previous).value().value, "v2");
    t.kill_and_open();
  }
  t.put("k", "v4");
  t.fill(2);
  t.compact();
  CHECK_EQ(t.version("k", third), "v3");
  CHECK_EQ(t.version("k", third - 1), "none");
}

TEST_CASE("newer than: what any moment since then would have answered is kept") {
  TestStore t(with(History::Keep::NewerThan, 10'000));
  uint64_t start = t.clock.wall_ms();
  t.put("k", "v1");
  t.clock.advance(5'000);
  t.put("k", "v2");
  t.put("old", "still live");
  t.clock.advance(9'000);
  t.put("k", "v3");
  t.fill(3);
  t.clock.advance(3'000);  // the limit is at 7 s: v2 was current then
  t.compact();
  CHECK_EQ((*t.space->find_at_time("k", start + 7'000).value()).value, "v2");
  CHECK_FALSE(t.space->find_at_time("k", start + 1'000).value().has_value());
  CHECK_EQ(t.get("k"), "v3");
  CHECK_EQ(t.get("old"), "still live");
}

TEST_CASE("compaction can be stopped, and goes on where it was") {
  TestStore t(with(History::Keep::LastVersions, 1));
  for (int i = 0; i < 50; ++i) t.put("key" + std::to_string(i), std::string(500, 'a'));
  t.fill(2);
  CHECK_EQ(t.space->compact([](double) { return false; }).error().code, Code::Cancelled);
  for (int i = 0; i < 50; ++i) CHECK_EQ(t.get("key" + std::to_string(i)), std::string(500, 'a'));
  t.compact();
  t.kill_and_open();
  for (int i = 0; i < 50; ++i) CHECK_EQ(t.get("key" + std::to_string(i)), std::string(500, 'a'));
}

TEST_CASE("compaction does not drop a segment whose records it cannot copy") {
  TestStore t(with(History::Keep::LastVersions, 1));
  t.put("k", std::string(100, 'a'));
  t.fill(3);
  REQUIRE(t.disk.damage("/data/spaces/default/000000000000.log", 100, "!").has_value());
  CHECK_EQ(t.get("k"), "error: corrupt");
  CHECK_EQ(t.space->compact({}).error().code, Code::Corrupt);
  CHECK_EQ(t.get("k"), "error: corrupt");
  t.put("k", "anew");
  t.compact();
  CHECK_EQ(t.get("k"), "anew");
}
