// Copies of a log, byte for byte, without streams: the engine's half of replication.
#include "kv/replica.h"

#include "kv/log/record.h"
#include "kv/meta.h"
#include "kv/test_store.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

// A store that copies another one's `default`.
struct Copy : TestStore {
  explicit Copy(const TestStore& master) {
    LogState state = master.space->replica().log_state();
    store->replica().stop_leading();
    space = store->replica()
                .make_copy({.name = "default",
                            .id = state.id,
                            .first = state.first,
                            .baseline = state.baseline,
                            .lineage = state.lineage,
                            .complete_at = state.end,
                            .settings = state.settings,
                            .epoch = state.epoch},
                           {})
                .value();
  }
  ReplicaLog& log() { return space->replica(); }
  // Everything that is there.
  void copy_from(const TestStore& master, size_t chunk_bytes = 4096) {
    LogState state = master.space->replica().log_state();
    while (true) {
      LogChunk chunk = master.space->replica().read_log(log().log_state().end, chunk_bytes).value();
      if (chunk.bytes.empty()) break;
      Status done = log().append_log(chunk, state.lineage);
      REQUIRE_MESSAGE(done.has_value(), done.error().message);
    }
    REQUIRE(log().take_lineage(state.lineage).has_value());
  }
};

Bytes file(TestStore& t, const std::string& name) {
  return read_whole(t.disk, "/data/spaces/default/" + name, 1 << 20).value();
}

}  // namespace

TEST_CASE("a copy has the same segments, the same bytes, the same keys and the same figures") {
  TestStore master;
  for (size_t i = 0; i < 100; ++i) master.put("key" + std::to_string(i % 30), std::string(i * 7, 'v'));
  master.remove("key3");
  Copy copy(master);
  CHECK_FALSE(copy.log().is_complete());
  CHECK_EQ(copy.get("key5"), "error: unavailable");
  copy.copy_from(master);
  CHECK(copy.log().is_complete());
  CHECK_EQ(copy.get("key9"), master.get("key9"));
  CHECK_EQ(copy.get("key3"), "none");
  CHECK_EQ(copy.space->figures().keys, master.space->figures().keys);
  CHECK_EQ(copy.space->figures().live_bytes, master.space->figures().live_bytes);
  CHECK_EQ(copy.version("key9", 10), master.version("key9", 10));
  master.close();
  copy.close();
  for (const std::string& name : master.files()) {
    if (name.ends_with(".log")) CHECK(file(copy, name) == file(master, name));
  }
  copy.open();
  CHECK_EQ(copy.get("key9"), std::string(99 * 7, 'v'));
}

TEST_CASE("a copy takes whole transactions only, in order, and nothing that fails its check") {
  TestStore master;
  {
    auto writer = *master.space->writer();
    writer->begin();
    for (int i = 0; i < 20; ++i) REQUIRE(writer->put("k" + std::to_string(i), Bytes(100, 'v')).has_value());
    REQUIRE(writer->commit().has_value());
  }
  Copy copy(master);
  const Lineage lineage = master.space->replica().log_state().lineage;
  LogChunk whole = master.space->replica().read_log(0, 300).value();
  CHECK_EQ(whole.end(), master.space->figures().end);
  LogChunk part = whole;
  part.bytes.resize(168 * 3);
  CHECK_EQ(copy.log().append_log(part, lineage).error().code, Code::Corrupt);
  LogChunk changed = whole;
  changed.bytes[500] = static_cast<char>(changed.bytes[500] ^ 1);
  CHECK_EQ(copy.log().append_log(changed, lineage).error().code, Code::Corrupt);
  LogChunk later = whole;
  later.position = 8;
  CHECK_EQ(copy.log().append_log(later, lineage).error().code, Code::Conflict);
  CHECK_EQ(copy.space->figures().end, 0);
  CHECK(copy.log().append_log(whole, lineage).has_value());
}

TEST_CASE("before a record that claims durability is copied, the copy is durable up to there") {
  TestStore master;
  master.put("a", "1");
  Position first = master.space->figures().end;
  REQUIRE(master.sync(first).has_value());
  master.put("b", "2");
  Copy copy(master);
  copy.copy_from(master, 1 << 20);
  CHECK_GE(copy.space->durable_position(), first);
  copy.cut_power_and_open();
  CHECK_GE(copy.space->figures().end, first);
  CHECK_EQ(copy.space->figures().corrupt_records, 0);
}

TEST_CASE("a log that is being copied is not written to, and one that is written to takes no copy") {
  TestStore master;
  master.put("a", "1");
  Copy copy(master);
  CHECK_EQ(copy.space->writer().error().code, Code::Conflict);
  CHECK_EQ(copy.space->set_settings({}).error().code, Code::Conflict);
  copy.copy_from(master);
  copy.store->replica().lead();
  LogChunk chunk = master.space->replica().read_log(0, 4096).value();
  CHECK_EQ(copy.log().append_log(chunk, {}).error().code, Code::Conflict);
  copy.put("b", "2");
  CHECK_EQ(copy.get("b"), "2");
}

TEST_CASE("each opening that writes begins a generation, and one that only reads does not") {
  TestStore t;
  t.put("a", "1");
  t.open();
  CHECK_EQ(t.space->replica().log_state().lineage.size(), 1);
  t.put("a", "2");
  t.put("a", "3");
  Lineage lineage = t.space->replica().log_state().lineage;
  REQUIRE_EQ(lineage.size(), 2);
  CHECK_EQ(lineage[1].number, 2);
  CHECK_EQ(lineage[1].from, 72);
  REQUIRE(t.store->replica().promise(4).has_value());
  CHECK_EQ(t.space->writer().error().code, Code::Conflict);
  t.store->replica().lead();
  t.put("a", "4");
  CHECK_EQ(t.space->replica().log_state().rank().term, 4);
}

TEST_CASE("a promise survives a power cut, and a lower one is refused") {
  TestStore t;
  REQUIRE(t.store->replica().promise(7).has_value());
  t.cut_power_and_open();
  CHECK_EQ(t.store->replica().promised_term(), 7);
  CHECK_EQ(t.store->replica().promise(6).error().code, Code::Denied);
  CHECK(t.store->replica().promise(7).has_value());
}

TEST_CASE("an end that is cut off is kept aside whole, and the log goes on without it") {
  TestStore t;
  t.put("a", "1");
  Position end = t.space->figures().end;
  t.put("a", "2");
  t.fill(2);
  Bytes tail;
  for (Position at = end; at < t.space->figures().end;) {
    LogChunk chunk = t.space->replica().read_log(at, 1 << 20).value();
    tail += chunk.bytes;
    at = chunk.end();
  }
  t.store->replica().stop_leading();
  t.space = t.store->replica().cut("default", end).value();
  CHECK_EQ(t.space->figures().end, end);
  CHECK_EQ(t.get("a"), "1");
  CHECK_EQ(t.get("filler"), "none");
  CHECK_EQ(t.store->replica().aside().bytes, tail.size());
  CHECK(read_whole(t.disk, "/data/aside/default.72.0.log", 1 << 20).value() == tail);
  t.store->replica().lead();
  t.put("b", "3");
  t.kill_and_open();
  CHECK_EQ(t.get("a"), "1");
  CHECK_EQ(t.get("b"), "3");
  CHECK_EQ(t.space->figures().corrupt_records, 0);
}

TEST_CASE("a front that is dropped takes its keys along, and what the log adds up to stays right") {
  TestStore master(Settings{.durability = Durability::Always, .history = {History::Keep::LastVersions, 1}});
  for (int i = 0; i < 40; ++i) master.put("key" + std::to_string(i % 4), std::string(1000, 'v'));
  master.remove("key1");
  Copy copy(master);
  copy.copy_from(master);
  master.compact();
  LogState state = master.space->replica().log_state();
  REQUIRE_GT(state.first, 0);
  copy.copy_from(master);
  REQUIRE(copy.log().drop_front(state.first, state.baseline).has_value());
  CHECK_EQ(copy.space->figures().keys, 3);
  CHECK_EQ(copy.get("key2"), std::string(1000, 'v'));
  CHECK_EQ(copy.get("key1"), "none");
  CHECK_EQ(copy.space->figures().live_bytes, master.space->figures().live_bytes);
  REQUIRE(master.store->clear("default").has_value());
  master.put("new", "1");
  state = master.space->replica().log_state();
  copy.copy_from(master);
  REQUIRE(copy.log().drop_front(state.first, state.baseline).has_value());
  CHECK_EQ(copy.space->figures().keys, 1);
  CHECK_EQ(copy.space->figures().live_bytes, master.space->figures().live_bytes);
  copy.kill_and_open();
  CHECK_EQ(copy.get("new"), "1");
  CHECK_EQ(copy.space->figures().live_bytes, master.space->figures().live_bytes);
}

TEST_CASE("a damaged stretch of the master's log is copied as it is, counted, and what is behind it is there") {
  TestStore master;
  master.put("a", std::string(500, 'a'));
  master.put("b", std::string(500, 'b'));
  REQUIRE(master.sync(master.space->figures().end).has_value());
  master.put("c", "c");
  Copy copy(master);
  REQUIRE(master.disk.damage("/data/spaces/default/000000000000.log", 100, "X").has_value());
  copy.copy_from(master);
  CHECK_EQ(copy.space->figures().corrupt_records, 1);
  CHECK_EQ(copy.get("a"), "error: corrupt");
  CHECK_EQ(copy.get("b"), std::string(500, 'b'));
  CHECK_EQ(copy.get("c"), "c");
}
