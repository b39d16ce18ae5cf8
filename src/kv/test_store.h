// A store on a simulated disk, for this room's tests: nothing happens by itself.
#pragma once

#include <doctest/doctest.h>

#include "kv/local_store.h"
#include "testing/simulated_clock.h"
#include "testing/simulated_disk.h"

namespace mcloud::kv {

struct TestStore {
  testing::SimulatedDisk disk{1};
  testing::SimulatedClock clock;
  Store::Options options{.folder = "/data", .segment_bytes = 8192, .compact_bytes_per_s = uint64_t{1} << 40};
  std::unique_ptr<LocalStore> store;
  NamespacePtr space;

  explicit TestStore(const Settings& settings = {.durability = Durability::Always}) {
    options.defaults = settings;
    open();
  }

  void close() {
    space.reset();
    store.reset();
  }
  Status try_open() {
    close();
    auto opened = LocalStore::open(disk, clock, options, LocalStore::Threads::None);
    if (!opened.has_value()) return opened.error();
    store = std::move(*opened);
    space = store->find("default");
    REQUIRE(space);
    return {};
  }
  void open() {
    auto opened = try_open();
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
  }
  // Without the close that a living process would do.
  void kill_and_open() {
    disk.kill_process();
    open();
  }
  void cut_power_and_open() {
    disk.cut_power();
    close();
    disk.restore_power();
    open();
  }

  Result<Position> try_put(std::string_view key, std::string_view value) {
    auto writer = TRY(space->writer());
    Position end = TRY(writer->put(key, value));
    TRY(writer->flush());
    return end;
  }
  Position put(std::string_view key, std::string_view value) {
    auto end = try_put(key, value);
    REQUIRE_MESSAGE(end.has_value(), end.error().message);
    return *end;
  }
  void remove(std::string_view key) {
    auto writer = space->writer();
    REQUIRE(writer.has_value());
    REQUIRE((*writer)->remove(key).has_value());
    REQUIRE((*writer)->flush().has_value());
  }
  // Enough other records that what was written before lies in sealed segments.
  void fill(int segments = 1) {
    for (int i = 0; i < segments * 4; ++i) put("filler", std::string(3000, 'f'));
  }
  Status sync(Position position) {
    Status outcome = make_error(Code::TimedOut, "nobody called back");
    space->when_durable(position, [&](Status status) { outcome = std::move(status); });
    store->syncer().run_due();
    return outcome;
  }
  std::string get(std::string_view key) {
    std::string value;
    auto found = space->read_value(key, value);
    if (!found.has_value()) return std::string("error: ") + std::string(code_name(found.error().code));
    return *found ? value : "none";
  }
  std::string version(std::string_view key, uint64_t sequence) {
    auto found = space->find_version(key, sequence);
    if (!found.has_value()) return found.error().message;
    if (!*found) return "none";
    return (*found)->is_deletion ? "deleted" : (*found)->value;
  }
  std::vector<std::string> files() { return disk.list("/data/spaces/default").value(); }
  void compact() {
    auto done = space->compact({});
    REQUIRE_MESSAGE(done.has_value(), done.error().message);
  }
};

}  // namespace mcloud::kv
