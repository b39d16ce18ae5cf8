// What has expired is absent, to everybody and at every time, and the sweeper changes no answer.
#include "kv/expiry_queue.h"
#include "kv/test_store.h"
#include "kv/wall_time.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

constexpr uint64_t kStart = 1'700'000'000'000;

struct ExpiryStore : TestStore {
  using TestStore::TestStore;
  Position put_until(std::string_view key, std::string_view value, uint64_t expiry_ms) {
    auto writer = *space->writer();
    auto end = writer->put(key, value, {.expiry_ms = expiry_ms});
    REQUIRE_MESSAGE(end.has_value(), end.error().message);
    REQUIRE(writer->flush().has_value());
    return *end;
  }
  std::string at_time(std::string_view key, uint64_t time_ms) {
    auto found = space->find_at_time(key, time_ms);
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    return *found && !(*found)->is_deletion ? (*found)->value : "none";
  }
  // Time passes and the timers run.
  void pass(uint64_t ms) {
    clock.advance(ms);
    store->syncer().run_due();
  }
  uint64_t writes() { return space->figures().next_sequence - 1; }
};

bool always(const ExpiryQueue::Item&) { return true; }

std::string taken(ExpiryQueue& queue, uint64_t now_ms, size_t count = 100) {
  std::string all;
  for (const ExpiryQueue::Item& item : queue.take(now_ms, count)) all += std::to_string(item.expiry_ms) + " ";
  return all;
}

}  // namespace

TEST_CASE("the wall clock by which keys expire never goes back, and goes on while the machine's is set back") {
  testing::SimulatedClock clock;
  WallTime time(clock);
  CHECK_EQ(time.now_ms(), kStart);
  clock.advance(500);
  CHECK_EQ(time.now_ms(), kStart + 500);
  clock.set_wall(kStart - 1'000'000);
  CHECK_EQ(time.now_ms(), kStart + 500);
  clock.advance(100);
  CHECK_EQ(time.now_ms(), kStart + 600);
  clock.set_wall(kStart + 5'000);
  CHECK_EQ(time.now_ms(), kStart + 5'000);
}

TEST_CASE("the queue gives what has expired, soonest first, and knows when it does not know all") {
  ExpiryQueue queue(4);
  CHECK_FALSE(queue.next_ms());
  for (uint64_t i : {50, 20, 80, 10, 70, 30, 60, 40}) queue.add({i, i * 8, i}, always);
  CHECK_EQ(queue.next_ms(), 10);
  CHECK_EQ(taken(queue, 9), "");
  CHECK_EQ(taken(queue, 25), "10 20 ");
  CHECK_EQ(queue.next_ms(), 30);
  queue.add({35, 0, 0}, always);
  queue.add({36, 0, 0}, always);
  CHECK_EQ(queue.size(), 8);
  queue.add({90, 0, 0}, always);  // room for the four soonest only: 30 35 36 40
  CHECK_EQ(queue.size(), 4);
  CHECK_FALSE(queue.is_incomplete_at(49));
  CHECK(queue.is_incomplete_at(50));
  queue.add({49, 0, 0}, always);
  queue.add({55, 0, 0}, always);  // behind the horizon: found by the next walk
  CHECK_EQ(taken(queue, 100, 3), "30 35 36 ");
  CHECK_EQ(taken(queue, 100), "40 49 ");
  CHECK_EQ(queue.next_ms(), 50);
  queue.clear();
  CHECK_FALSE(queue.next_ms());
}

TEST_CASE("a queue that is full of what was replaced forgets nothing else") {
  ExpiryQueue queue(4);
  queue.add({500, 8, 1}, always);
  for (uint64_t i = 0; i < 100; ++i) queue.add({100 + i, 16, 2}, [](const auto& item) { return item.hash == 1; });
  CHECK_LE(queue.size(), 8);
  CHECK_FALSE(queue.is_incomplete_at(10'000));
  CHECK(taken(queue, 10'000).ends_with("500 "));
}

TEST_CASE("a key is there until its expiry and absent from then on, in every kind of read, swept or not") {
  ExpiryStore t;
  t.put("kept", "k");
  t.put_until("k", "v", kStart + 1000);
  for (int swept = 0; swept < 2; ++swept) {
    t.clock.advance(swept == 0 ? 999 : 0);
    if (swept == 0) {
      CHECK_EQ(t.get("k"), "v");
      CHECK_EQ(t.space->find("k").value()->expiry_ms, kStart + 1000);
      CHECK_EQ(t.space->find_brief("k").value()->expiry_ms, kStart + 1000);
      t.clock.advance(1);
    }
    CHECK_EQ(t.get("k"), "none");
    CHECK_FALSE(t.space->contains("k"));
    CHECK_FALSE(t.space->find("k").value());
    CHECK_FALSE(t.space->find_brief("k").value());
    {
      auto writer = *t.space->writer();
      CHECK_FALSE(writer->find("k").value());
      CHECK_EQ(writer->remove("k").error().code, Code::NotFound);
    }
    auto page = t.space->scan(0, 10, 1'000'000);
    REQUIRE_EQ(page->entries.size(), 1);
    CHECK_EQ(page->entries[0].key, "kept");
    CHECK_EQ(t.space->scan_back({}, 10, 1'000'000)->entries.size(), 1);
    CHECK_EQ(t.at_time("k", kStart - 1), "none");
    CHECK_EQ(t.at_time("k", kStart), "v");
    CHECK_EQ(t.at_time("k", kStart + 999), "v");
    CHECK_EQ(t.at_time("k", kStart + 1000), "none");
    CHECK_EQ(t.version("k", 2), "v");
    CHECK_EQ(t.space->figures().keys, swept == 0 ? 2 : 1);
    CHECK_EQ(t.space->figures().live_bytes, swept == 0 ? 7 : 5);
    CHECK_EQ(t.space->figures().expired_keys, swept);
    t.store->syncer().run_due();
  }
  CHECK_EQ(t.version("k", 3), "deleted");
  CHECK_EQ(t.space->find_version("k", 3).value()->time_ms, kStart + 1000);
  CHECK(t.space->verify({}).value().empty());
}

TEST_CASE("a key that expired and is put again is new, and needs no deletion in between") {
  ExpiryStore t;
  t.put_until("k", "one", kStart + 10);
  t.clock.advance(20);
  t.put("k", "two");
  CHECK_EQ(t.writes(), 2);
  CHECK_EQ(t.space->figures().live_bytes, 4);
  CHECK_EQ(t.space->figures().expired_keys, 1);
  t.pass(10'000);
  CHECK_EQ(t.writes(), 2);
  CHECK_EQ(t.get("k"), "two");
  CHECK_EQ(t.at_time("k", kStart + 9), "one");
  CHECK_EQ(t.at_time("k", kStart + 15), "none");
  t.kill_and_open();
  CHECK_EQ(t.space->figures().live_bytes, 4);
}

TEST_CASE("a key that has expired is not seen again when the clock is set back, and keys go on expiring") {
  ExpiryStore t;
  t.put_until("k", "v", kStart + 1000);
  t.put_until("later", "v", kStart + 5000);
  t.clock.advance(2000);
  CHECK_EQ(t.get("k"), "none");
  t.clock.set_wall(kStart - 3'600'000);
  CHECK_EQ(t.get("k"), "none");
  CHECK_EQ(t.get("later"), "v");
  t.pass(3000);
  CHECK_EQ(t.get("later"), "none");
  t.pass(2000);
  CHECK_EQ(t.space->figures().keys, 0);
  // The deletions carry the expiry, so the past is what it was.
  CHECK_EQ(t.at_time("k", kStart + 999), "v");
  CHECK_EQ(t.at_time("later", kStart + 4999), "v");
  CHECK_EQ(t.at_time("later", kStart + 5000), "none");
}

TEST_CASE("keys do not expire where nothing may change and where writes are counted") {
  for (Settings settings : {Settings{.is_write_once = true}, Settings{.mode = KeyMode::Sequence}}) {
    TestStore t(settings);
    auto writer = *t.space->writer();
    CHECK_EQ(writer->put(std::string(8, '\0'), "v", {.expiry_ms = kStart + 1}).error().code, Code::Unsupported);
    CHECK(writer->put(std::string(8, '\0'), "v").has_value());
  }
}

TEST_CASE("what was given an expiry before its namespace became write-once expires, and is removed") {
  ExpiryStore t;
  t.put_until("k", "v", kStart + 1000);
  Settings settings = t.space->settings();
  settings.is_write_once = true;
  REQUIRE(t.space->set_settings(settings).has_value());
  t.pass(2000);
  CHECK_EQ(t.space->figures().keys, 0);
  t.put("k", "again");
  CHECK_EQ(t.get("k"), "again");
}

TEST_CASE("nothing is written and no timer runs where nothing expires") {
  ExpiryStore t;
  t.put("k", "v");
  t.put_until("far", "v", kStart + 86'400'000);
  t.pass(2000);  // the sync of it
  uint64_t operations = t.disk.operations();
  for (int i = 0; i < 1000; ++i) t.pass(60'000);
  CHECK_EQ(t.disk.operations(), operations);
  CHECK_EQ(t.writes(), 2);
}

TEST_CASE("the sweeper finds what expires after a restart, from the checkpoints or from the log") {
  ExpiryStore t;
  for (int i = 0; i < 5; ++i) t.put_until("k" + std::to_string(i), "v", kStart + 10'000 + i);
  t.fill(2);
  t.put_until("last", "v", kStart + 10'000);
  for (int opening = 0; opening < 2; ++opening) {
    if (opening == 0)
      t.open();
    else
      t.kill_and_open();
    CHECK_EQ(t.space->figures().keys, 7);
    t.pass(2000);
    CHECK_EQ(t.space->figures().keys, 7);
  }
  t.pass(10'000);
  CHECK_EQ(t.space->figures().keys, 1);
  CHECK_EQ(t.space->figures().expired_keys, 6);
  t.kill_and_open();
  CHECK_EQ(t.space->figures().keys, 1);
  uint64_t writes = t.writes();
  t.pass(10'000);
  CHECK_EQ(t.writes(), writes);
}

TEST_CASE("compaction gives back what has expired, and keeps what history still asks for") {
  for (bool by_time : {false, true}) {
    CAPTURE(by_time);
    History history{by_time ? History::Keep::NewerThan : History::Keep::LastVersions, by_time ? 20'000u : 1u};
    ExpiryStore t({.durability = Durability::Always, .history = history});
    t.put_until("k", "v", kStart + 1000);
    t.put_until("twice", "one", kStart + 1000);
    t.put_until("later", "v", kStart + 1'000'000);
    t.clock.advance(5000);
    t.put("twice", "two");
    t.fill(3);
    t.compact();
    CHECK_EQ(t.space->figures().keys, 3);  // later, twice, filler
    CHECK_EQ(t.at_time("k", kStart + 500), by_time ? "v" : "none");
    CHECK_EQ(t.at_time("twice", kStart + 500), by_time ? "one" : "none");
    CHECK_EQ(t.at_time("twice", kStart + 4000), "none");
    CHECK_EQ(t.space->find("later").value()->expiry_ms, kStart + 1'000'000);
    t.clock.advance(18'000);  // the limit is at 3 s: k and the first `twice` were over by then
    t.fill(1);
    uint64_t before = t.space->figures().log_bytes;
    t.compact();
    // (By time all that was filled in is kept, and moved together.)
    if (!by_time) CHECK_LT(t.space->figures().log_bytes, before);
    for (int opening = 0; opening < 2; ++opening) {
      CHECK_EQ(t.at_time("k", kStart + 500), "none");
      CHECK_EQ(t.at_time("twice", kStart + 500), "none");
      CHECK_EQ(t.get("twice"), "two");
      CHECK_EQ(t.get("later"), "v");
      CHECK_EQ(t.space->figures().keys, 3);
      CHECK_EQ(t.space->figures().live_bytes, 8 + 6 + 3006);
      t.kill_and_open();
    }
    t.pass(1'000'000);
    CHECK_EQ(t.get("later"), "none");
    t.pass(2000);
    CHECK_EQ(t.space->figures().keys, 2);
  }
}

TEST_CASE("what expires is removed in good time though far more expires than the sweeper remembers") {
  ExpiryStore t;
  t.options.segment_bytes = 4 << 20;
  t.open();
  const uint64_t keys = 160'000;
  for (uint64_t i = 0; i < keys;) {
    auto writer = *t.space->writer();
    for (int n = 0; n < 1000; ++n, ++i) {
      REQUIRE(writer->put("key" + std::to_string(i * 7919 % keys), "v", {.expiry_ms = kStart + 1000 + i}).has_value());
    }
    REQUIRE(writer->flush().has_value());
  }
  CHECK_LE(t.space->figures().expiring, 1u << 17);
  t.pass(1000 + keys / 2);
  CHECK_EQ(t.space->figures().keys, keys / 2 - 1);
  t.kill_and_open();
  t.pass(1000);
  CHECK_EQ(t.space->figures().keys, keys / 2 - 1001);
  t.pass(keys);
  t.pass(2000);
  CHECK_EQ(t.space->figures().keys, 0);
  CHECK_EQ(t.space->figures().live_bytes, 0);
}
