// Replica sets on one node: who is told what, who serves, what is reported.
#include <doctest/doctest.h>

#include "node/fake_machine_test.h"
#include "node/local_networks.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

// Replica 0 of a kv stands here, 1 and 2 elsewhere.
struct Shop {
  Shop() {
    ledger.place(sample);
    ledger.move_away(sample.id, "store", 1);
    ledger.move_away(sample.id, "store", 2);
  }
  std::string id() const { return container_id({sample.id, "store", 0}); }
  bool is_published() const {
    auto networks = machine.networks.find(sample.id);
    return networks != machine.networks.end() && networks->second.publications_size() > 0;
  }
  const pb::SetReport& report() {
    const pb::Result* result = bench.result("store");
    REQUIRE(result != nullptr);
    return result->set();
  }
  void say() { bench.orders(ledger); }

  FakeMachine machine;
  Ledger ledger;
  Sample sample = make(kStore);
  Bench bench{machine};
};

}  // namespace

TEST_CASE("a kv starts on its volume, and nobody is sent to it before it leads") {
  Shop shop;
  shop.say();
  shop.bench.pass(300);
  CHECK(shop.machine.volumes.contains({shop.sample.id, "store", 0}));
  REQUIRE(shop.machine.containers.contains(shop.id()));
  CHECK(shop.bench.state("store") == pb::REPLICA_HEALTHY);
  CHECK(shop.machine.told.empty());
  CHECK(!shop.is_published());
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(10);
  REQUIRE(shop.machine.told.size() == 1);
  CHECK(describe(shop.machine.told[0]) == "GROUP LEAD 1 0.1 2 1 0.1,1.2,2.2 0.1,1.2,2.2");
  CHECK(shop.is_published());
}

TEST_CASE("a follower follows and gets no requests; chosen in an election it does") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 4, 2);
  shop.say();
  shop.bench.pass(300);
  REQUIRE(shop.machine.told.size() == 1);
  CHECK(shop.machine.told[0].verb == GroupVerb::Follow);
  CHECK(!shop.is_published());
  shop.machine.members[shop.id()].rank_position = 4096;
  shop.ledger.set(shop.sample.id, "store", 5, std::nullopt);
  shop.say();
  shop.bench.pass(1);
  CHECK(shop.report().term() == 5);
  CHECK(shop.report().rank().position() == 4096);
  shop.ledger.set(shop.sample.id, "store", 5, 0);
  shop.say();
  shop.bench.pass(1);
  CHECK(shop.machine.told.back().verb == GroupVerb::Lead);
  CHECK(shop.is_published());
}

TEST_CASE("a primary that is no more gets no requests from the moment that its node knows") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(300);
  CHECK(shop.is_published());
  shop.ledger.set(shop.sample.id, "store", 2, std::nullopt);
  shop.say();
  shop.bench.settle();
  CHECK(!shop.is_published());
  CHECK(shop.machine.containers.contains(shop.id()));
}

TEST_CASE("a primary whose process ends is told to lead again when it is back, at the same term") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 3, 0);
  shop.say();
  shop.bench.pass(300);
  shop.machine.end(shop.id(), 1, shop.bench.now_ms);
  shop.bench.pass(260);
  shop.bench.pass(1'000);
  REQUIRE(shop.machine.told.size() == 2);
  CHECK(shop.machine.told[0] == shop.machine.told[1]);
  CHECK(shop.is_published());
  CHECK(shop.report().term() == 3);
}

TEST_CASE("a primary that is cut off goes on: terms keep it from doing harm") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(300);
  shop.bench.pass(20'000, false);
  CHECK(shop.machine.containers.contains(shop.id()));
  CHECK(shop.is_published());
}

TEST_CASE("a proposal of voters is reported, and no more when the ledger has recorded them") {
  Shop shop;
  pb::SetRecord& set = shop.ledger.set(shop.sample.id, "store", 1, 0);
  set.mutable_voters(2)->set_epoch(1);  // the life before this one
  shop.say();
  shop.bench.pass(300);
  REQUIRE(shop.report().proposed_voters_size() == 3);
  CHECK(shop.report().voters_revision() == 1);
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(300);
  CHECK(shop.report().proposed_voters_size() == 0);
  CHECK(shop.report().voters_revision() == 2);
}

TEST_CASE("a settled member is asked about once a second, and its rank is not told at each write") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(500);
  std::string before = wire::encode(shop.report());
  shop.machine.done.clear();
  for (int i = 0; i < 100; ++i) {
    shop.machine.members[shop.id()].rank_position += 1000;
    shop.bench.pass(100);
  }
  auto asks = std::count(shop.machine.done.begin(), shop.machine.done.end(), JobKind::AskMember);
  CHECK(asks >= 8);
  CHECK(asks <= 12);
  CHECK(wire::encode(shop.report()) == before);
  CHECK(shop.machine.told.size() == 1);
}

TEST_CASE("a member's copy in the making is told as such") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 1, 2);
  shop.say();
  shop.bench.pass(300);
  CHECK(shop.bench.result("store")->message().find("copy") != std::string::npos);
  shop.machine.members[shop.id()].complete = true;
  shop.bench.pass(1'500);
  CHECK(shop.bench.result("store")->message() == "");
  CHECK(shop.report().complete());
}

TEST_CASE("a kv whose volume cannot be made is given up, with the reason") {
  Shop shop;
  shop.machine.failures[JobKind::EnsureVolume] = make_error(Code::Unsupported, "no disk for it");
  shop.say();
  shop.bench.pass(500);
  REQUIRE(shop.bench.result("store") != nullptr);
  CHECK(shop.bench.state("store") == pb::REPLICA_CANNOT_RUN);
  CHECK(shop.bench.result("store")->message().find("no disk for it") != std::string::npos);
}

TEST_CASE("an update starts a primary's process anew on the same volume and makes it lead again") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(300);
  std::string changed = kStore;
  changed.replace(changed.find("64MiB"), 5, "80MiB");
  shop.ledger.place(make(changed, {.version = 2, .previous = &shop.sample}), 1);
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(2'000);
  CHECK(shop.machine.containers.at(shop.id()).record.version() == 2);
  CHECK(shop.machine.told.back().verb == GroupVerb::Lead);
  CHECK(shop.is_published());
  CHECK(shop.machine.volumes.at({shop.sample.id, "store", 0}) == 320 << 20);
}

TEST_CASE("a kv that moves away leaves its volume") {
  Shop shop;
  shop.ledger.set(shop.sample.id, "store", 1, 0);
  shop.say();
  shop.bench.pass(300);
  shop.ledger.forget(shop.sample.id);
  shop.say();
  shop.bench.pass(2'000);
  CHECK(shop.machine.containers.empty());
  CHECK(shop.machine.volumes.size() == 1);
  CHECK(shop.bench.reconciler.has_left_what_moved());
}
