#include "cli/moment.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::cli;

TEST_CASE("moments are so long ago, a day or a time of UTC") {
  constexpr uint64_t kNow = 1'795'824'000'000;  // 2026-11-28
  CHECK_EQ(parse_moment("24h", kNow).value(), kNow - 86'400'000);
  CHECK_EQ(parse_moment("2026-11-28", 0).value(), kNow);
  CHECK_EQ(parse_moment("2026-11-28T08:30", 0).value(), kNow + 30'600'000);
  CHECK_EQ(parse_moment("2026-11-28T08:30:05Z", 0).value(), kNow + 30'605'000);
  CHECK_EQ(parse_moment("1970-01-01", 0).value(), 0);
  CHECK_EQ(parse_moment("400d", 1000).value(), 0);
  for (const char* bad : {"", "yesterday", "24", "2026-11-31", "2026-13-01", "2026-1-2", "2026-11-28T", "2026-11-28T24:00", "2026-11-28T08:60",
                          "2026-11-28T08:30:60", "2026-11-28T08:30:05ZZ", "2026-11-28 08:30", "1969-12-31", "-1h", "2026-11-28Z"})
    CHECK_MESSAGE(parse_moment(bad, kNow).error().code == Code::Invalid, bad);
}
