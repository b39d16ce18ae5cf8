#include "testing/prefix.h"

#include <doctest/doctest.h>

using namespace mcloud::testing;

namespace {

// Key 0 and 1 in turns: a0, b1, c0, d1; the last was never answered.
const std::vector<PrefixWrite> kWrites = {{0, "a", 10}, {1, "b", 20}, {0, "c", 30}, {1, "d", 40, false}, {0, "e", 50}};

std::string judge(const std::vector<PrefixRead>& reads) { return judge_prefix(kWrites, reads); }
PrefixRead read(uint32_t key, std::optional<std::string> value, uint64_t end = 100) { return {key, value, end}; }

}  // namespace

TEST_CASE("reads that follow the writes are a prefix, however far behind") {
  CHECK_EQ(judge({}), "");
  CHECK_EQ(judge({read(0, {}), read(1, {})}), "");
  CHECK_EQ(judge({read(0, "a"), read(1, {}), read(1, "b"), read(0, "a"), read(0, "c"), read(1, "b")}), "");
}

TEST_CASE("a read of the past is found out, of the same key and across keys") {
  CHECK(judge({read(0, "c"), read(0, "a")}).find("is the past") != std::string::npos);
  CHECK(judge({read(0, "a"), read(0, {})}).find("is the past") != std::string::npos);
  CHECK(judge({read(0, "c"), read(1, {})}).find("is the past") != std::string::npos);
  CHECK(judge({read(1, "b"), read(0, {})}).find("is the past") != std::string::npos);
}

TEST_CASE("a write that was never answered may be there or not, but does not go away once seen") {
  CHECK_EQ(judge({read(0, "e"), read(1, "b")}), "");
  CHECK_EQ(judge({read(0, "e"), read(1, "d")}), "");
  CHECK_EQ(judge({read(0, "e"), read(1, "b"), read(1, "d"), read(0, "c")}).empty(), false);
}

TEST_CASE("half of a transaction is found out, and what it replaces itself") {
  const std::vector<PrefixWrite> writes = {{0, "a", 1}, {1, "b", 2, true, true}, {0, "c", 2, true, true}, {0, "d", 2}};
  CHECK_EQ(judge_prefix(writes, {read(0, "a"), read(1, {}), read(1, "b"), read(0, "d")}), "");
  CHECK(judge_prefix(writes, {read(1, "b"), read(0, "a")}).find("is the past") != std::string::npos);
  CHECK(judge_prefix(writes, {read(0, "c")}).find("is the past") != std::string::npos);
}

TEST_CASE("what was never written, or not yet, is found out") {
  CHECK(judge({read(0, "b")}).find("never written") != std::string::npos);
  CHECK(judge({read(0, "c", 29)}).find("before it was written") != std::string::npos);
  CHECK_EQ(judge({read(0, "c", 30)}), "");
}
