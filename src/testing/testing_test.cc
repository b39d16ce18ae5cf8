#include <doctest/doctest.h>

#include "io/file.h"
#include "testing/simulated_clock.h"
#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::testing;

TEST_CASE("a simulated clock moves only when told") {
  SimulatedClock clock(5, 1000);
  clock.advance(10);
  CHECK_EQ(clock.monotonic_ms(), 15u);
  CHECK_EQ(clock.wall_ms(), 1010u);
  clock.set_wall(3);
  CHECK_EQ(clock.wall_ms(), 3u);
  CHECK_EQ(clock.monotonic_ms(), 15u);
}

TEST_CASE("one seed gives one sequence, pinned for ever") {
  SimulatedRandom a(42);
  SimulatedRandom b(42);
  CHECK_EQ(a.bytes(33), b.bytes(33));
  CHECK_NE(SimulatedRandom(1).next(), SimulatedRandom(2).next());
  CHECK_EQ(SimulatedRandom(0).next(), 11091344671253066420ull);
}

TEST_CASE("draws stay below their bound and reach all of it") {
  SimulatedRandom random(7);
  std::array<int, 5> seen{};
  for (int i = 0; i < 5000; ++i) ++seen.at(random.below(5));
  for (int count : seen) CHECK_GT(count, 800);
  CHECK_EQ(random.below(1), 0u);
}

TEST_CASE("a temporary folder is there during the test and gone after it") {
  std::string path;
  {
    TemporaryFolder folder;
    path = folder.path();
    REQUIRE(io::write_file(folder / "file", "x", io::Durability::None).has_value());
    CHECK(io::exists(path));
  }
  CHECK_FALSE(io::exists(path));
}
