#include "kv/store.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

#include "io/clock.h"
#include "io/disk.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

struct Fixture {
  testing::TemporaryFolder folder;
  io::SystemDisk disk;
  io::SystemClock clock;
  std::unique_ptr<Store> store;
  NamespacePtr space;

  explicit Fixture(uint64_t segment_bytes = 1 << 20) { open(segment_bytes); }
  void open(uint64_t segment_bytes = 1 << 20) {
    space.reset();
    store.reset();
    Store::Options options{.folder = folder.path(), .segment_bytes = segment_bytes};
    options.defaults.durability = Durability::Always;
    auto opened = Store::open(disk, clock, options);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    store = std::move(*opened);
    space = store->find("default");
    REQUIRE(space);
  }
  Position put(std::string_view key, std::string_view value, std::optional<uint64_t> time_ms = {}) {
    auto writer = space->writer();
    REQUIRE(writer.has_value());
    auto end = (*writer)->put(key, value, {.time_ms = time_ms});
    REQUIRE_MESSAGE(end.has_value(), end.error().message);
    auto flushed = (*writer)->flush();
    REQUIRE(flushed.has_value());
    return *end;
  }
  void remove(std::string_view key) {
    auto writer = space->writer();
    REQUIRE((*writer)->remove(key).has_value());
  }
  std::optional<std::string> get(std::string_view key) {
    std::string value;
    auto found = space->read_value(key, value);
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    if (!*found) return std::nullopt;
    return value;
  }
  Status wait_durable(Position position) {
    std::promise<Status> done;
    space->when_durable(position, [&](Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }
};

}  // namespace

TEST_CASE("a hint about keys changes nothing, whether they are there or not") {
  Fixture fixture(64 << 10);
  std::vector<std::string> keys;
  for (int i = 0; i < 500; ++i) fixture.put(keys.emplace_back("key " + std::to_string(i)), std::string(300, 'v'));
  for (int i = 0; i < 500; ++i) keys.push_back("absent " + std::to_string(i));
  keys.emplace_back();
  std::vector<std::string_view> views(keys.begin(), keys.end());
  uint64_t sequence = fixture.space->figures().next_sequence;
  fixture.space->prefetch(views);
  fixture.space->prefetch({});
  CHECK_EQ(fixture.space->figures().next_sequence, sequence);
  CHECK_EQ(fixture.get("key 499"), std::string(300, 'v'));
  CHECK_FALSE(fixture.get("absent 1").has_value());
}

TEST_CASE("what was put is found, and still is when the store is opened again") {
  Fixture f;
  f.put("a", "1");
  f.put("b", "2");
  f.put("a", "3");
  f.remove("b");
  for (int opening = 0; opening < 2; ++opening) {
    CHECK_EQ(f.get("a"), "3");
    CHECK_EQ(f.get("b"), std::nullopt);
    CHECK_FALSE(f.space->contains("b"));
    CHECK_EQ(f.space->figures().keys, 1);
    CHECK_EQ(f.space->figures().live_bytes, 2);
    CHECK_EQ(f.space->figures().next_sequence, 5);
    f.open();
  }
}

TEST_CASE("a write is durable when its callback says so") {
  Fixture f;
  Position end = f.put("key", "value");
  CHECK(f.wait_durable(end).has_value());
  CHECK(f.space->durable_position() >= end);
}

TEST_CASE("a log of many segments is opened again with and without checkpoints") {
  Fixture f(64 << 10);
  for (int i = 0; i < 5000; ++i) f.put("key" + std::to_string(i % 3000), "value" + std::to_string(i));
  for (int opening = 0; opening < 3; ++opening) {
    for (int i = 0; i < 5000; ++i) {
      CHECK_EQ(f.get("key" + std::to_string(i % 3000)),
               "value" + std::to_string(i % 3000 < 2000 ? i % 3000 + 3000 : i % 3000));
    }
    CHECK_EQ(f.space->figures().keys, 3000);
    f.space.reset();
    f.store.reset();
    if (opening == 0) {
      for (const std::string& name : f.disk.list(f.folder / "spaces/default").value()) {
        if (name.ends_with(".index")) CHECK(f.disk.remove(f.folder / "spaces/default/" + name).has_value());
      }
    }
    f.open(64 << 10);
  }
}

TEST_CASE("under writers, readers, compaction and syncs at once every reader sees time go forward, per key") {
  Fixture f(64 << 10);
  Settings settings = f.space->settings();
  settings.history = {History::Keep::LastVersions, 1};
  REQUIRE(f.space->set_settings(settings).has_value());
  constexpr int kKeys = 8;
  constexpr uint64_t kRounds = 2'000;
  std::array<std::atomic<uint64_t>, kKeys> acknowledged{};  // each key's newest value that its writer knows to be seen
  std::atomic<uint64_t> wrong{0};
  std::atomic<bool> is_over{false};
  {
    std::vector<std::jthread> readers;
    for (int t = 0; t < 2; ++t) {
      readers.emplace_back([&, t] {
        std::array<uint64_t, kKeys> seen{};
        for (uint64_t i = 0; !is_over; ++i) {
          size_t key = (i * 7 + static_cast<size_t>(t)) % kKeys;
          uint64_t before = acknowledged[key];
          std::string value;
          auto found = f.space->read_value("key" + std::to_string(key), value);
          uint64_t number = found.has_value() && *found ? std::stoull(value) : 0;
          if (!found.has_value() || number < before || number < seen[key]) ++wrong;
          seen[key] = number;
        }
      });
    }
    std::jthread compaction([&] {
      while (!is_over) {
        if (!f.space->compact({}).has_value()) ++wrong;
      }
    });
    std::vector<std::jthread> writers;
    for (int t = 0; t < 2; ++t) {
      writers.emplace_back([&, t] {
        for (uint64_t round = 1; round <= kRounds; ++round) {
          size_t key = round % (kKeys / 2) * 2 + static_cast<size_t>(t);
          auto writer = f.space->writer();
          auto end = (*writer)->put("key" + std::to_string(key), std::to_string(round) + std::string(100, ' '));
          if (!end.has_value() || !(*writer)->flush().has_value()) ++wrong;
          acknowledged[key] = round;
          writer->reset();
          if (round % 100 == 0 && !f.wait_durable(*end).has_value()) ++wrong;
        }
      });
    }
    for (std::jthread& writer : writers) writer.join();
    is_over = true;
  }
  CHECK_EQ(wrong, 0);
  f.space->compact({}).value();
  CHECK(f.space->figures().log_bytes < 100'000);
  for (int key = 0; key < kKeys; ++key) {
    CHECK_EQ(std::stoull(f.get("key" + std::to_string(key)).value()), acknowledged[static_cast<size_t>(key)]);
  }
}
