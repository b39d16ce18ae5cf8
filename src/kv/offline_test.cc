#include "kv/offline.h"

#include <map>

#include "kv/test_store.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

struct Fixture {
  TestStore store;
  // The server has ended; what it left is looked at.
  std::unique_ptr<OfflineStore> open() {
    store.close();
    auto opened = OfflineStore::open(store.disk, "/data");
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    return std::move(*opened);
  }
  std::string segment(size_t index = 0) {
    std::vector<std::string> logs;
    for (const std::string& name : store.files()) {
      if (name.ends_with(".log")) logs.push_back(name);
    }
    REQUIRE_GT(logs.size(), index);
    return "/data/spaces/default/" + logs[index];
  }
  void damage(const std::string& path, uint64_t offset) {
    auto file = store.disk.open(path, OpenMode::Write).value();
    char byte = 0;
    REQUIRE_EQ(file->read(offset, &byte, 1).value(), 1);
    byte = static_cast<char>(byte ^ 0x40);
    REQUIRE(file->write(offset, BytesView(&byte, 1)).has_value());
    REQUIRE(file->sync().has_value());
  }
  std::map<std::string, Bytes> all_files() {
    std::map<std::string, Bytes> all;
    for (const std::string& name : store.files()) {
      auto file = store.disk.open("/data/spaces/default/" + name, OpenMode::Read).value();
      Bytes bytes(file->size().value(), '\0');
      static_cast<void>(file->read(0, bytes.data(), bytes.size()));
      all[name] = bytes;
    }
    return all;
  }
};

std::string dump(OfflineStore& store, bool has_history, const std::string& name = "default") {
  OfflineFindings findings = store.verify(name, {}).value();
  std::string text;
  Status done = store.dump(name, findings, has_history, [&](const OfflineStore::Version& version) -> Status {
    if (version.key == "filler") return {};
    text += std::string(version.key) + (version.header->is_deletion ? " deleted" : "=" + std::string(version.value)) + ";";
    return {};
  });
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
  return text;
}

}  // namespace

TEST_CASE("a sound store is found sound, and looking changes no byte of it") {
  Fixture fixture;
  for (int i = 0; i < 100; i++) fixture.store.put("key" + std::to_string(i % 10), "value " + std::to_string(i));
  fixture.store.fill(3);
  fixture.store.close();
  auto before = fixture.all_files();
  {
    auto offline = fixture.open();
    OfflineFindings findings = offline->verify("default", {}).value();
    CHECK_EQ(findings.records, 112);
    CHECK_EQ(findings.damaged, 0);
    CHECK_EQ(findings.torn_bytes, 0);
    CHECK_EQ(dump(*offline, false).size(), 10 * std::string("key0=value 90;").size());
    CHECK(fixture.all_files() == before);
  }
  fixture.store.open();
  CHECK_EQ(fixture.store.get("key9"), "value 99");
}

TEST_CASE("a folder that a server has, or where no store is, is refused") {
  TestStore store;
  auto busy = OfflineStore::open(store.disk, "/data");
  REQUIRE_FALSE(busy.has_value());
  CHECK_EQ(busy.error().code, Code::Conflict);
  CHECK_NE(busy.error().message.find("a running server has it open"), std::string::npos);
  CHECK_EQ(OfflineStore::open(store.disk, "/nothing").error().code, Code::NotFound);
}

TEST_CASE("the end and the faults are those that opening finds, whatever byte is changed") {
  for (uint64_t offset = 0; offset < 3000; offset += 37) {
    CAPTURE(offset);
    Fixture fixture;
    for (int i = 0; i < 30; i++) {
      Position end = fixture.store.put("k" + std::to_string(i), std::string(40, 'v'));
      if (i == 15) REQUIRE(fixture.store.sync(end).has_value());
    }
    fixture.store.disk.kill_process();
    fixture.store.space.reset();
    fixture.store.store.reset();
    fixture.damage(fixture.segment(), offset);
    OfflineFindings findings;
    {
      auto offline = OfflineStore::open(fixture.store.disk, "/data").value();
      findings = offline->verify("default", {}).value();
    }
    fixture.store.open();
    Figures figures = fixture.store.space->figures();
    CHECK_EQ(findings.end, figures.end);
    CHECK_EQ(findings.damaged, figures.corrupt_records);
  }
}

TEST_CASE("the end is the same when the last of what was durable is damaged, whole or in part") {
  for (size_t lost : {1, 10, 60, 200}) {
    CAPTURE(lost);
    Fixture fixture;
    for (int i = 0; i < 10; i++) fixture.store.put("k" + std::to_string(i), std::string(40, 'v'));
    fixture.store.close();
    std::string path = fixture.segment();
    auto file = fixture.store.disk.open(path, OpenMode::Write).value();
    uint64_t size = file->size().value();
    REQUIRE(file->write(size - lost, std::string(lost, '\xee')).has_value());
    file.reset();
    OfflineFindings findings = OfflineStore::open(fixture.store.disk, "/data").value()->verify("default", {}).value();
    fixture.store.open();
    CHECK_EQ(findings.end, fixture.store.space->figures().end);
    CHECK_EQ(findings.damaged, lost == 1 ? 0 : 1);  // the last byte only fills up
  }
}

TEST_CASE("a dump has the newest of each key, or all versions once, also after compaction") {
  Fixture fixture;
  TestStore& store = fixture.store;
  store.put("a", "1");
  store.put("b", "1");
  store.put("a", "2");
  store.remove("b");
  store.put("c", "1");
  store.fill(2);
  {
    auto offline = fixture.open();
    CHECK_EQ(dump(*offline, false), "a=2;c=1;");
    CHECK_EQ(dump(*offline, true), "a=1;b=1;a=2;b deleted;c=1;");
  }
  store.open();
  Settings settings = store.space->settings();
  settings.history = {History::Keep::LastVersions, 1};
  REQUIRE(store.space->set_settings(settings).has_value());
  store.compact();
  {
    auto offline = fixture.open();
    CHECK_EQ(dump(*offline, false), "a=2;c=1;");
  }
}

TEST_CASE("a version whose value is damaged is left out, and no older one stands in for it") {
  Fixture fixture;
  fixture.store.put("a", "1");
  Position begin = fixture.store.space->figures().end;
  fixture.store.put("a", "2");
  fixture.store.put("b", "1");
  fixture.store.close();
  fixture.damage(fixture.segment(), begin + kHeaderBytes + 1);
  auto offline = fixture.open();
  CHECK_EQ(offline->verify("default", {}).value().damaged, 1);
  CHECK_EQ(offline->verify("default", {}).value().faults[0].position, begin);
  CHECK_EQ(dump(*offline, false), "b=1;");
  CHECK_EQ(dump(*offline, true), "a=1;b=1;");
}

TEST_CASE("who does not want to wait is let go") {
  Fixture fixture;
  fixture.store.close();
  fixture.store.options.segment_bytes = 64 << 20;
  fixture.store.open();
  for (int i = 0; i < 5; i++) fixture.store.put("k", std::string(3 << 20, 'v'));
  auto offline = fixture.open();
  double last = 0;
  CHECK_EQ(offline->verify("default", [&](double part) { return (last = part) < 0.5; }).error().code, Code::Cancelled);
  CHECK_GE(last, 0.5);
}
