// Settings, epochs, transactions, bounds: what a namespace allows.
#include "kv/log/bytes.h"
#include "kv/test_store.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

std::string id(uint64_t number) {
  std::string key;
  append(key, number);
  return key;
}

}  // namespace

TEST_CASE("a writer of a lower epoch is refused, after a restart too") {
  TestStore t;
  CHECK(t.space->see_epoch(5).has_value());
  CHECK_EQ(t.space->see_epoch(4).error().code, Code::Denied);
  for (int opening = 0; opening < 2; ++opening) {
    CHECK_EQ(t.space->writer(4).error().code, Code::Denied);
    CHECK_EQ(t.space->writer().error().code, Code::Denied);
    CHECK(t.space->writer(5).has_value());
    CHECK_EQ(t.space->figures().epoch, 5);
    t.cut_power_and_open();
  }
  // A higher one is remembered before it writes.
  REQUIRE((*t.space->writer(7))->put("k", "v").has_value());
  CHECK_EQ(t.space->find("k").value()->epoch, 7);
  t.cut_power_and_open();
  CHECK_EQ(t.space->writer(6).error().code, Code::Denied);
}

TEST_CASE("settings survive a power cut once set_settings has returned") {
  TestStore t;
  Settings settings{.mode = KeyMode::Sequence,
                    .durability = Durability::None,
                    .interval_ms = 77,
                    .history = {History::Keep::NewerThan, 12},
                    .bytes_max = 1000,
                    .password = std::string("pass\nword\0", 10),
                    .is_public = false,
                    .is_write_once = true};
  REQUIRE(t.space->set_settings(settings).has_value());
  t.cut_power_and_open();
  Settings kept = t.space->settings();
  CHECK_EQ(kept.mode, KeyMode::Sequence);
  CHECK_EQ(kept.durability, Durability::None);
  CHECK_EQ(kept.interval_ms, 77);
  CHECK_EQ(kept.history.keep, History::Keep::NewerThan);
  CHECK_EQ(kept.history.amount, 12);
  CHECK_EQ(kept.bytes_max, 1000);
  CHECK_EQ(kept.password, settings.password);
  CHECK_FALSE(kept.is_public);
  CHECK(kept.is_write_once);
}

TEST_CASE("the mode of a namespace that was written to does not change") {
  TestStore t;
  t.put("k", "v");
  Settings settings = t.space->settings();
  settings.mode = KeyMode::Sequence;
  CHECK_EQ(t.space->set_settings(settings).error().code, Code::Conflict);
}

TEST_CASE("sequence mode: every write takes the next id, updates and deletions too, and none comes again") {
  TestStore t({.mode = KeyMode::Sequence});
  {
    auto writer = *t.space->writer();
    CHECK_EQ(writer->next_id(), 0);
    REQUIRE(writer->put(id(0), "a").has_value());
    CHECK_EQ(writer->next_id(), 1);
    CHECK_EQ(writer->put(id(5), "a").error().code, Code::Invalid);
    CHECK_EQ(writer->put("short", "a").error().code, Code::Invalid);
    REQUIRE(writer->put(id(1), "b").has_value());
    REQUIRE(writer->put(id(0), "update").has_value());
    REQUIRE(writer->remove(id(1)).has_value());
    CHECK_EQ(writer->next_id(), 4);
    CHECK_EQ(writer->put(id(1), "again").error().code, Code::Invalid);
  }
  for (int opening = 0; opening < 3; ++opening) {
    CHECK_EQ((*t.space->writer())->next_id(), 4);
    CHECK_EQ(t.get(id(0)), "update");
    if (opening == 0)
      t.open();
    else
      t.kill_and_open();
  }
}

TEST_CASE("a quota counts live keys and values, and lets replacing by less and deleting") {
  TestStore t({.durability = Durability::Always, .bytes_max = 100});
  t.put("a", std::string(50, 'a'));
  t.put("b", std::string(40, 'b'));
  CHECK_EQ(t.try_put("c", std::string(20, 'c')).error().code, Code::Exhausted);
  t.put("a", std::string(30, 'a'));
  t.put("c", std::string(20, 'c'));
  t.remove("c");
  CHECK_EQ(t.space->figures().live_bytes, 31 + 41);
}

TEST_CASE("write-once: a new key may be written, nothing may be changed") {
  TestStore t({.is_write_once = true});
  t.put("a", "1");
  CHECK_EQ(t.try_put("a", "2").error().code, Code::Denied);
  CHECK_EQ((*t.space->writer())->remove("a").error().code, Code::Denied);
  CHECK_EQ((*t.space->writer())->remove("absent").error().code, Code::NotFound);
  CHECK_EQ(t.get("a"), "1");
}

TEST_CASE("sizes are bounded, and the largest are served") {
  TestStore t;
  CHECK_EQ(t.try_put(std::string(256, 'k'), "v").error().code, Code::Invalid);
  CHECK_EQ(t.try_put("k", std::string(kValueBytesMax + 1, 'v')).error().code, Code::Invalid);
  t.put(std::string(255, 'k'), std::string(kValueBytesMax, 'v'));
  t.put("", "no key");
  t.put("empty", "");
  for (int opening = 0; opening < 2; ++opening) {
    CHECK(t.get(std::string(255, 'k')) == std::string(kValueBytesMax, 'v'));
    CHECK_EQ(t.get(""), "no key");
    CHECK_EQ(t.get("empty"), "");
    auto page = t.space->scan_back(std::nullopt, 10, 1'000'000).value();
    REQUIRE_EQ(page.entries.size(), 3);
    CHECK_EQ(page.entries[2].key, std::string(255, 'k'));
    t.kill_and_open();
  }
}

TEST_CASE("a writer sees what it has put; others when it is flushed") {
  TestStore t;
  t.put("k", "old");
  auto writer = *t.space->writer();
  REQUIRE(writer->put("k", "new").has_value());
  REQUIRE(writer->put("gone", "x").has_value());
  REQUIRE(writer->remove("gone").has_value());
  CHECK_EQ(writer->find("k").value()->value, "new");
  CHECK_FALSE(writer->find("gone").value().has_value());
  CHECK_EQ(writer->remove("gone").error().code, Code::NotFound);
  CHECK_EQ(t.get("k"), "old");
  REQUIRE(writer->flush().has_value());
  CHECK_EQ(t.get("k"), "new");
}

TEST_CASE("a transaction that is not committed leaves nothing") {
  TestStore t;
  {
    auto writer = *t.space->writer();
    REQUIRE(writer->put("before", "1").has_value());
    writer->begin();
    REQUIRE(writer->put("before", "2").has_value());
    REQUIRE(writer->put("inside", "2").has_value());
    CHECK_EQ(writer->find("inside").value()->value, "2");
  }
  CHECK_EQ(t.get("before"), "1");
  CHECK_EQ(t.get("inside"), "none");
  CHECK_EQ(t.space->figures().next_sequence, 2);
}

TEST_CASE("a transaction of which the end is torn off is cut off as a whole") {
  TestStore t;
  Position safe = t.put("before", "1");
  {
    auto writer = *t.space->writer();
    writer->begin();
    for (int i = 0; i < 3; ++i) REQUIRE(writer->put("inside" + std::to_string(i), std::string(100, 'x')).has_value());
    REQUIRE(writer->commit().has_value());
  }
  CHECK_EQ(t.get("inside2"), std::string(100, 'x'));
  REQUIRE(t.disk.damage("/data/spaces/default/000000000000.log", safe + 3 * 168 + 100 - 168, "?").has_value());
  t.kill_and_open();
  CHECK_EQ(t.get("inside0"), "none");
  CHECK_EQ(t.space->figures().end, safe);
  CHECK_EQ(t.space->figures().keys, 1);
}

TEST_CASE("a transaction is bounded") {
  TestStore t;
  auto writer = *t.space->writer();
  writer->begin();
  CHECK_EQ(writer->put("large", std::string(1 << 20, 'x')).error().code, Code::Exhausted);
  for (int i = 0; i < 10'000; ++i) REQUIRE(writer->put("k" + std::to_string(i), "").has_value());
  CHECK_EQ(writer->put("one more", "").error().code, Code::Exhausted);
  CHECK(writer->commit().has_value());
  CHECK(writer->flush().has_value());
  CHECK_EQ(t.space->figures().keys, 10'000);
}

TEST_CASE("clear forgets keys and history and gives the space back, for good") {
  TestStore t;
  t.put("k", "v");
  t.fill(2);
  uint64_t next = t.space->figures().next_sequence;
  REQUIRE(t.store->clear("default").has_value());
  for (int opening = 0; opening < 2; ++opening) {
    CHECK_EQ(t.get("k"), "none");
    CHECK_EQ(t.version("k", 1), "none");
    CHECK_EQ(t.space->figures().keys, 0);
    CHECK_EQ(t.space->figures().live_bytes, 0);
    CHECK_EQ(t.space->figures().log_bytes, 0);
    CHECK_EQ(t.space->figures().next_sequence, next);
    t.cut_power_and_open();
  }
  t.put("k", "again");
  t.kill_and_open();
  CHECK_EQ(t.get("k"), "again");
}

TEST_CASE("namespaces come and go; who still holds one that went is told") {
  TestStore t;
  std::string odd = "a/b .%\xff";
  NamespacePtr made = t.store->create(odd, {}).value();
  REQUIRE((*made->writer())->put("k", "v").has_value());
  CHECK_EQ(t.store->create(odd, {}).error().code, Code::AlreadyExists);
  CHECK_EQ(t.store->create("", {}).error().code, Code::Invalid);
  CHECK_EQ(t.store->create(std::string(129, 'n'), {}).error().code, Code::Invalid);
  t.store->create("..", {}).value();
  made.reset();
  t.cut_power_and_open();
  CHECK_EQ(t.store->names(), std::vector<std::string>{"..", odd, "default"});
  made = t.store->find(odd);
  REQUIRE(t.store->remove(odd).has_value());
  CHECK_EQ(made->find("k").error().code, Code::NotFound);
  CHECK_EQ(made->writer().error().code, Code::NotFound);
  CHECK_FALSE(t.store->find(odd));
  CHECK_EQ(t.store->remove(odd).error().code, Code::NotFound);
  made.reset();
  t.cut_power_and_open();
  CHECK_EQ(t.store->names(), std::vector<std::string>{"..", "default"});
  CHECK_EQ(t.disk.list("/data/spaces").value(), std::vector<std::string>{"%2e%2e", "default"});
}

TEST_CASE("a store is opened by one process at a time") {
  TestStore t;
  CHECK_EQ(LocalStore::open(t.disk, t.clock, t.options, LocalStore::Threads::None).error().code, Code::Conflict);
}
