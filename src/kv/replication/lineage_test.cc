#include "kv/replication/lineage.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::kv;

TEST_CASE("two logs agree up to where the last generation that both have ends in one of them") {
  Lineage both = {{1, 1, 7, 0}, {1, 2, 8, 80}};
  Lineage longer = {{1, 1, 7, 0}, {1, 2, 8, 80}, {2, 1, 9, 160}};
  Lineage other = {{1, 1, 7, 0}, {1, 2, 8, 80}, {3, 1, 5, 120}};
  CHECK_EQ(common_end(both, 200, both, 136), 136);
  CHECK_EQ(common_end(both, 200, longer, 400), 160);
  CHECK_EQ(common_end(longer, 400, other, 400), 120);
  CHECK_EQ(common_end(other, 400, longer, 400), 120);
  CHECK_EQ(common_end(both, 96, longer, 400), 96);
}

TEST_CASE("a master that wrote again after a crash has other bytes where its follower was ahead") {
  Lineage master = {{1, 1, 7, 0}, {1, 2, 8, 80}};
  Lineage follower = {{1, 1, 7, 0}};
  CHECK_EQ(common_end(master, 200, follower, 120), 80);
}

TEST_CASE("logs that share no generation agree on nothing, and two masters of one term are told apart") {
  CHECK_EQ(common_end({{1, 1, 7, 0}}, 80, {{1, 1, 8, 0}}, 80), 0);
  CHECK_EQ(common_end({{1, 1, 7, 0}}, 80, {}, 0), 0);
  CHECK_EQ(common_end({{1, 1, 7, 0}, {2, 1, 1, 40}}, 80, {{1, 1, 7, 0}, {2, 1, 2, 40}}, 80), 40);
}

TEST_CASE("what wrote nothing is replaced, what the log has lost is not said any more, the oldest are forgotten") {
  Lineage lineage = extended({{1, 1, 7, 0}, {1, 2, 8, 80}}, {2, 1, 9, 80});
  CHECK_EQ(lineage, Lineage{{1, 1, 7, 0}, {2, 1, 9, 80}});
  CHECK_EQ(trimmed(lineage, 72), Lineage{{1, 1, 7, 0}});
  CHECK_EQ(trimmed(lineage, 80), lineage);
  for (uint64_t i = 1; i <= 300; ++i) lineage = extended(lineage, {3, i, 1, 80 + 8 * i});
  CHECK_EQ(lineage.size(), kGenerationsMax);
  CHECK_EQ(lineage.back().number, 300);
}

TEST_CASE("the numbers of generations count within a term, and a term that is over begins none") {
  CHECK_EQ(next_generation({}, 0, 0, 5).value(), Generation{0, 1, 5, 0});
  CHECK_EQ(next_generation({{2, 3, 1, 8}}, 2, 80, 5).value(), Generation{2, 4, 5, 80});
  CHECK_EQ(next_generation({{2, 3, 1, 8}}, 4, 80, 5).value(), Generation{4, 1, 5, 80});
  CHECK_EQ(next_generation({{2, 3, 1, 8}}, 1, 80, 5).error().code, Code::Denied);
}

TEST_CASE("ranks compare by term, generation and position") {
  CHECK_LT(rank_of({{1, 2, 0, 0}}, 900), rank_of({{2, 1, 0, 0}}, 8));
  CHECK_LT(rank_of({{2, 1, 0, 0}}, 900), rank_of({{2, 2, 0, 0}}, 8));
  CHECK_LT(rank_of({{2, 2, 0, 0}}, 8), rank_of({{2, 2, 0, 0}}, 16));
  CHECK_LT(rank_of({}, 0), rank_of({{0, 1, 0, 0}}, 0));
}

TEST_CASE("a lineage is read exactly as it is written") {
  Lineage lineage = {{0, 1, 4294967295u, 0}, {2, 1, 0, 80}, {2, 2, 9, 88}};
  CHECK_EQ(text_of(lineage), "0.1.4294967295.0 2.1.0.80 2.2.9.88");
  CHECK_EQ(parse_lineage(text_of(lineage)).value(), lineage);
  CHECK_EQ(parse_lineage("").value(), Lineage());
  for (const char* bad : {"1.1.1", "1.1.1.8 ", " 1.1.1.8", "1.1.1.7", "1.1.4294967296.8", "01.1.1.8",
                          "1.1.1.8  1.2.1.16", "1.1.1.8 1.1.1.16", "1.2.1.8 1.1.1.16", "1.1.1.8 1.2.1.8",
                          "1.1.1.281474976710656", "a"})
    CHECK_FALSE_MESSAGE(parse_lineage(bad).has_value(), bad);
}
