#include "testing/simulated_disk.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::testing;

namespace {

std::string content(SimulatedDisk& disk, const std::string& path) {
  auto file = disk.open(path, OpenMode::Read);
  if (!file.has_value()) return "absent";
  std::string bytes(1 << 20, '\0');
  bytes.resize((*file)->read(0, bytes.data(), bytes.size()).value());
  return bytes;
}

}  // namespace

TEST_CASE("what was synced survives a power cut, name and content") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimulatedDisk disk(seed);
    auto file = disk.open("/a", OpenMode::Create);
    REQUIRE((*file)->write(0, "first").has_value());
    REQUIRE((*file)->sync().has_value());
    REQUIRE(disk.sync_folder("/").has_value());
    disk.cut_power();
    CHECK_FALSE(disk.has_power());
    CHECK_EQ((*file)->write(0, "later").error().code, Code::Unavailable);
    disk.restore_power();
    CHECK_EQ(content(disk, "/a"), "first");
    CHECK_EQ((*file)->write(0, "dead").error().code, Code::Unavailable);
  }
}

TEST_CASE("what was not synced may be dropped, torn and reordered") {
  bool was_dropped = false, was_torn = false, was_reordered = false, was_nameless = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimulatedDisk disk(seed);
    auto file = disk.open("/a", OpenMode::Create);
    REQUIRE((*file)->write(0, std::string(512, 'a')).has_value());
    REQUIRE((*file)->write(512, std::string(1024, 'b')).has_value());
    disk.cut_power();
    disk.restore_power();
    std::string left = content(disk, "/a");
    was_nameless |= left == "absent";
    was_dropped |= left.empty();
    was_torn |= left.size() == 1024;
    was_reordered |= left.size() > 512 && left[0] == '\0';
  }
  CHECK(was_nameless);
  CHECK(was_dropped);
  CHECK(was_torn);
  CHECK(was_reordered);
}

TEST_CASE("a sync that failed is never made good by a later one") {
  bool was_lost = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimulatedDisk disk(seed);
    auto file = disk.open("/a", OpenMode::Create);
    REQUIRE(disk.sync_folder("/").has_value());
    REQUIRE((*file)->write(0, "content").has_value());
    disk.set_plan([](SimulatedDisk::Operation operation, const std::string&) -> std::optional<Error> {
      if (operation != SimulatedDisk::Operation::Sync) return std::nullopt;
      return make_error(Code::Unavailable, "Input/output error");
    });
    CHECK_FALSE((*file)->sync().has_value());
    disk.set_plan(nullptr);
    CHECK((*file)->sync().has_value());
    CHECK_EQ(content(disk, "/a"), "content");  // seen as long as the machine lives
    disk.cut_power();
    disk.restore_power();
    was_lost |= content(disk, "/a") != "content";
  }
  CHECK(was_lost);
}

TEST_CASE("a full disk refuses to grow, and a killed process loses nothing") {
  SimulatedDisk disk(1);
  disk.set_bytes_max(100);
  auto file = disk.open("/a", OpenMode::Create);
  CHECK((*file)->write(0, std::string(100, 'x')).has_value());
  CHECK_EQ((*file)->write(50, std::string(51, 'y')).error().code, Code::Exhausted);
  auto lock = disk.lock("/lock");
  CHECK_EQ(disk.lock("/lock").error().code, Code::Conflict);
  disk.kill_process();
  CHECK(content(disk, "/a").starts_with(std::string(50, 'x')));
  CHECK(disk.lock("/lock").has_value());
}
