#include "kv/replication/acks.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::kv;

namespace {

AckRules voters(uint64_t copies, Members members) {
  return {.copies = copies, .is_any = false, .self = "a", .revision = 1, .voters = members, .candidates = members};
}

}  // namespace

TEST_CASE("one copy is acknowledged by this place alone, and never before it is durable here") {
  AckCount count;
  count.begin({.copies = 1}, 0);
  count.set(1, "", 100);
  CHECK_EQ(count.acknowledged(), 0);
  count.set_own(40);
  CHECK_EQ(count.acknowledged(), 40);
}

TEST_CASE("with any followers the copies - 1 that are furthest count, while they are connected") {
  AckCount count;
  count.begin({.copies = 3}, 0);
  count.set_own(100);
  count.set(1, "", 80);
  CHECK_EQ(count.acknowledged(), 0);
  count.set(2, "", 40);
  CHECK_EQ(count.acknowledged(), 40);
  count.set(3, "", 120);
  CHECK_EQ(count.acknowledged(), 80);
  count.remove(1);
  CHECK_EQ(count.acknowledged(), 40);
}

TEST_CASE("only voters count, and a master that is none must have it all the same") {
  AckCount count;
  count.begin(voters(2, {"a", "b", "c"}), 0);
  count.set_own(100);
  count.set(1, "x", 100);
  CHECK_EQ(count.acknowledged(), 0);
  count.set(2, "b", 60);
  CHECK_EQ(count.acknowledged(), 60);
  count.set_rules(voters(2, {"b", "c"}));
  CHECK_EQ(count.acknowledged(), 0);
  count.set(3, "c", 200);
  CHECK_EQ(count.acknowledged(), 60);
}

TEST_CASE("new voters are proposed when they hold all that was acknowledged, and from then on both must have a write") {
  AckCount count;
  count.begin(voters(2, {"a", "b"}), 40);
  count.set_own(100);
  count.set(1, "b", 80);
  CHECK_EQ(count.acknowledged(), 80);
  AckRules wanted = voters(2, {"a", "b"});
  wanted.candidates = {"b", "c"};
  count.set_rules(wanted);
  count.set(2, "c", 72);
  CHECK_FALSE(count.propose().has_value());
  count.set(2, "c", 80);
  CHECK_EQ(count.propose().value(), Members{"b", "c"});
  CHECK_FALSE(count.propose().has_value());  // once
  count.set(1, "b", 96);
  CHECK_EQ(count.acknowledged(), 80);
  count.set(2, "c", 88);
  CHECK_EQ(count.acknowledged(), 88);
  count.set_rules(voters(2, {"b", "c"}));  // a later revision
  CHECK_EQ(count.acknowledged(), 88);
}

TEST_CASE("fewer candidates than copies are never proposed, and nobody is without end") {
  AckCount count;
  count.begin(voters(2, {"a", "b"}), 0);
  AckRules wanted = voters(2, {"a", "b"});
  wanted.candidates = {"a"};
  count.set_rules(wanted);
  CHECK_FALSE(count.propose().has_value());
  for (size_t i = 0; i < kProposalsMax + 5; ++i) {
    wanted.candidates = {"a", "m" + std::to_string(i)};
    wanted.proposals = count.rules().proposals;
    count.set_rules(wanted);
    static_cast<void>(count.propose());
  }
  CHECK_EQ(count.rules().proposals.size(), kProposalsMax);
}
