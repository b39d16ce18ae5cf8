#include "ledger/state/liveness.h"

#include <doctest/doctest.h>

#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

TEST_CASE("more than two thirds of the power fence a node, and each epoch is voted on anew") {
  TestChain chain("test", {2, 2, 1, 1});
  chain.make_farm(3);
  CHECK(chain.suspect("n1", "validator0").ok);
  CHECK(chain.suspect("n1", "validator0").ok);  // the same vote again adds nothing
  CHECK(chain.suspect("n1", "validator1").ok);
  CHECK_EQ(chain.node("n1").state(), pb::NODE_ONLINE);  // 4 of 6 are not more than two thirds
  CHECK(chain.suspect("n1", "validator2").ok);
  CHECK_EQ(chain.node("n1").state(), pb::NODE_FENCED);
  CHECK_EQ(chain.node("n1").epoch(), 2);
  CHECK_EQ(chain.assignment("n1").node_epoch(), 2);
  CHECK_EQ(chain.node("n1").suspected_by_size(), 0);
  CHECK_EQ(chain.suspect("n1", "validator3").code, Code::Conflict);
  chain.rejoin("n1");
  CHECK_EQ(chain.node("n1").epoch(), 3);
  CHECK(chain.suspect("n1", "validator3").ok);
  CHECK_EQ(chain.node("n1").state(), pb::NODE_ONLINE);
}

TEST_CASE("an old false alarm adds to no new one") {
  TestChain chain("test", {1, 1, 1});
  chain.make_farm(3);
  chain.suspect("n1", "validator0");
  chain.suspect("n1", "validator1");
  chain.pass(20'000);
  chain.suspect("n1", "validator2");
  CHECK_EQ(chain.node("n1").state(), pb::NODE_ONLINE);
  CHECK_EQ(chain.node("n1").suspected_by_size(), 1);
  chain.suspect("n1", "validator0");
  chain.suspect("n1", "validator1");
  CHECK_EQ(chain.node("n1").state(), pb::NODE_FENCED);
}

TEST_CASE("one validator that keeps voting keeps nobody else's old vote alive") {
  TestChain chain("test", {1, 1, 1});
  chain.make_farm(3);
  chain.suspect("n1", "validator0");
  for (int i = 0; i < 3; ++i) chain.suspect("n1", "validator1", 6000);
  CHECK_EQ(chain.node("n1").suspected_by_size(), 1);
  chain.suspect("n1", "validator2", 6000);
  CHECK_EQ(chain.node("n1").state(), pb::NODE_ONLINE);
  CHECK_EQ(chain.node("n1").suspected_by_size(), 2);
  chain.suspect("n1", "validator0");
  CHECK_EQ(chain.node("n1").state(), pb::NODE_FENCED);
  int votes = 0;
  chain.state().each("suspicion/", [&](BytesView, BytesView) { return ++votes, true; });
  CHECK_EQ(votes, 0);
}

TEST_CASE("a suspicion names the node's epoch") {
  TestChain chain;
  chain.make_farm(1);
  auto suspect = [&](const Bytes& node, uint64_t epoch) {
    return chain
        .run("validator0",
             [&](pb::Transaction& transaction) {
               transaction.mutable_suspect()->set_node(node);
               transaction.mutable_suspect()->set_node_epoch(epoch);
             })
        .code;
  };
  Bytes node = test_key("n1").public_key().bytes();
  CHECK_EQ(suspect(node, 2), Code::Conflict);
  CHECK_EQ(suspect(test_key("other").public_key().bytes(), 1), Code::NotFound);
  CHECK_EQ(suspect("x", 1), Code::NotFound);
  CHECK_EQ(chain.node("n1").state(), pb::NODE_ONLINE);
}

TEST_CASE("what a lost node ran moves after one heartbeat period, with the next epoch") {
  TestChain chain;
  chain.make_farm(4);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 2)});
  std::string lost = chain.place_of(header, "web", 0);
  std::string other = chain.place_of(header, "web", 1);
  chain.suspect(lost);
  CHECK_EQ(chain.place_of(header, "web", 0), lost);
  uint64_t due = 0;
  REQUIRE(has_pending_time_work(chain.state(), due));
  CHECK_EQ(due, chain.now() + 1000);
  chain.pass(1000);
  CHECK_NE(chain.place_of(header, "web", 0), lost);
  CHECK_EQ(chain.replica(header, "web", 0).epoch(), 2);
  CHECK_EQ(chain.assignment(lost).contracts_size(), 0);
  CHECK_EQ(chain.place_of(header, "web", 1), other);
  CHECK_EQ(chain.replica(header, "web", 1).epoch(), 1);
  CHECK_FALSE(chain.node(lost).held());
}

TEST_CASE("a node that is back before anything moved goes on as if nothing had been") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  std::string home = chain.place_of(header, "web", 0);
  chain.suspect(home);
  CHECK_EQ(chain.report(header, "web", 0, pb::REPLICA_RUNNING).code, Code::Denied);  // fenced: rejoin first
  // Block time 1000 ms later would settle; the rejoin is in an earlier block.
  TestChain twin;
  twin.make_farm(3);
  twin.deploy("web", {test_facets("web", 1)});
  twin.suspect(home);
  pb::Node record = twin.node(home);
  Bytes rejoin = twin.sign(home, [&](pb::Transaction& transaction) {
    transaction.mutable_rejoin_node()->set_node_epoch(record.epoch());
    *transaction.mutable_rejoin_node()->mutable_capacity() = record.capacity();
    *transaction.mutable_rejoin_node()->mutable_addresses() = record.addresses();
  });
  CHECK(twin.block({rejoin}, 300)[0].ok);
  uint64_t due = 0;
  CHECK_FALSE([&] {  // nothing is left to settle; the approval's expiry is gone with the approval
    return has_pending_time_work(twin.state(), due);
  }());
  CHECK_EQ(twin.place_of(header, "web", 0), home);
  CHECK_EQ(twin.replica(header, "web", 0).epoch(), 1);
  CHECK_EQ(twin.node(home).epoch(), 3);
}

TEST_CASE("a lost replica without another place keeps its own until there is one") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  chain.suspect("n1");
  chain.pass(1000);
  CHECK_EQ(chain.place_of(header, "web", 0), "n1");
  CHECK_EQ(chain.replica(header, "web", 0).state(), pb::REPLICA_WAITING);
  CHECK_EQ(chain.replica(header, "web", 0).message(),
           "node n1 is lost; node: none is online of the only eligible node (n1)");
  SUBCASE("its node is back first") {
    chain.rejoin("n1");
    CHECK_EQ(chain.place_of(header, "web", 0), "n1");
    CHECK_EQ(chain.replica(header, "web", 0).epoch(), 1);
    CHECK_EQ(chain.replica(header, "web", 0).state(), pb::REPLICA_ASSIGNED);
  }
  SUBCASE("another node joins first") {
    chain.admit("ann", "farm", "n2");
    CHECK_EQ(chain.place_of(header, "web", 0), "n2");
    CHECK_EQ(chain.replica(header, "web", 0).epoch(), 2);
    chain.rejoin("n1");
    CHECK_EQ(chain.assignment("n1").contracts_size(), 0);
  }
}

TEST_CASE("the loss of more than a third of a farm is held, except for what asks to move") {
  TestChain chain;
  chain.make_farm(5);
  pb::Facets mover = test_facets("mover", 5);
  mover.set_on_mass_loss(pb::MASS_LOSS_MOVE);
  pb::Facets holder = test_facets("holder", 5);
  for (pb::Facets* facets : {&mover, &holder}) facets->mutable_placement()->set_spread(pb::SPREAD_PREFER);
  pb::ContractHeader header = chain.deploy("app", {holder, mover});
  auto index_on = [&](const char* workload, const std::string& node) {
    for (uint32_t i = 0; i < 5; ++i) {
      if (chain.place_of(header, workload, i) == node) return i;
    }
    return 99u;
  };
  uint32_t holder_1 = index_on("holder", "n1");
  uint32_t mover_1 = index_on("mover", "n1");
  uint32_t holder_2 = index_on("holder", "n2");
  chain.suspect("n1", "validator0", 100);
  chain.suspect("n2", "validator0", 900);
  chain.pass(100);
  CHECK(chain.node("n1").held());
  CHECK_EQ(chain.place_of(header, "holder", holder_1), "n1");
  CHECK_EQ(chain.replica(header, "holder", holder_1).message(),
           "held: node n1 was lost together with more than a third of farm farm; waits for it or for a drain");
  CHECK_NE(chain.place_of(header, "mover", mover_1), "n1");
  chain.pass(1000);
  CHECK(chain.node("n2").held());

  SUBCASE("a rejoin ends the hold and what stayed goes on") {
    chain.rejoin("n1");
    CHECK_FALSE(chain.node("n1").held());
    CHECK_EQ(chain.place_of(header, "holder", holder_1), "n1");
    CHECK_EQ(chain.replica(header, "holder", holder_1).epoch(), 1);
    CHECK_EQ(chain.assignment("n1").contracts(0).replicas_size(), 1);
    CHECK(chain.node("n2").held());
  }
  SUBCASE("a drain by the farm's owner lets it move") {
    CHECK_EQ(chain.drain("n2", "bob").code, Code::Denied);
    CHECK(chain.drain("n2").ok);
    CHECK_NE(chain.place_of(header, "holder", holder_2), "n2");
    CHECK_EQ(chain.replica(header, "holder", holder_2).epoch(), 2);
    CHECK_EQ(chain.place_of(header, "holder", holder_1), "n1");
  }
  SUBCASE("time alone moves nothing") {
    chain.pass(3'600'000);
    CHECK_EQ(chain.place_of(header, "holder", holder_1), "n1");
    CHECK_EQ(chain.place_of(header, "holder", holder_2), "n2");
  }
}

TEST_CASE("losses further apart than the window are single losses") {
  TestChain chain;
  chain.make_farm(5);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 5)});
  chain.suspect("n1");
  chain.pass(15'000);
  chain.suspect("n2");
  chain.pass(1000);
  CHECK_FALSE(chain.node("n1").held());
  CHECK_FALSE(chain.node("n2").held());
  for (uint32_t i = 0; i < 5; ++i) {
    CHECK_NE(chain.place_of(header, "web", i), "n1");
    CHECK_NE(chain.place_of(header, "web", i), "n2");
  }
}

TEST_CASE("a drain moves what may move, one by one, and resume takes the node back") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 6)});
  for (uint32_t i = 0; i < 6; ++i) chain.report(header, "web", i, pb::REPLICA_RUNNING);
  auto count_on = [&](const char* node) {
    int count = 0;
    for (uint32_t i = 0; i < 6; ++i) count += chain.place_of(header, "web", i) == node ? 1 : 0;
    return count;
  };
  REQUIRE_EQ(count_on("n1"), 2);
  CHECK(chain.drain("n1").ok);
  CHECK_EQ(chain.drain("n1").code, Code::AlreadyExists);
  CHECK_EQ(count_on("n1"), 1);
  CHECK_NE(chain.contract(header).current().reason().find("1 of 6 replicas are not ready, 1 may be"),
           std::string::npos);
  for (uint32_t i = 0; i < 6; ++i) {
    if (chain.replica(header, "web", i).state() == pb::REPLICA_ASSIGNED)
      chain.report(header, "web", i, pb::REPLICA_RUNNING);
  }
  CHECK_EQ(count_on("n1"), 0);
  pb::ContractHeader other = chain.deploy("other", {test_facets("web", 6)});
  for (uint32_t i = 0; i < 6; ++i) CHECK_NE(chain.place_of(other, "web", i), "n1");
  CHECK(chain.resume("n1").ok);
  CHECK_EQ(chain.resume("n1").code, Code::Conflict);
  pb::ContractHeader third = chain.deploy("third", {test_facets("web", 1)});
  CHECK_EQ(chain.place_of(third, "web", 0), "n1");
}

TEST_CASE("a drain that has no room elsewhere says so and moves when there is") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  chain.drain("n1");
  CHECK_EQ(chain.place_of(header, "web", 0), "n1");
  CHECK_EQ(chain.contract(header).current().reason(),
           "web/0: cannot leave node n1: node: draining: the only eligible node (n1)");
  chain.admit("ann", "farm", "n2");
  CHECK_EQ(chain.place_of(header, "web", 0), "n2");
  CHECK_EQ(chain.contract(header).current().reason(), "");
}

TEST_CASE("a rejoin is refused when the node is not fenced or knows another epoch") {
  TestChain chain;
  chain.make_farm(3);
  CHECK_EQ(chain.rejoin("n1").code, Code::Conflict);
  chain.suspect("n1");
  pb::Node record = chain.node("n1");
  auto rejoin = [&](uint64_t epoch, uint64_t memory_bytes) {
    return chain.run("n1", [&](pb::Transaction& transaction) {
      pb::RejoinNode& action = *transaction.mutable_rejoin_node();
      action.set_node_epoch(epoch);
      *action.mutable_capacity() = record.capacity();
      action.mutable_capacity()->set_memory_bytes(memory_bytes);
      *action.mutable_addresses() = record.addresses();
    });
  };
  CHECK_EQ(rejoin(1, 1 << 30).code, Code::Conflict);
  CHECK_EQ(rejoin(2, 0).code, Code::Invalid);
  CHECK(rejoin(2, 1 << 30).ok);
}

TEST_CASE("a node that comes back smaller gives up what no longer fits") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 8)});  // 4 x 512 MiB on each
  chain.suspect("n1");
  pb::Node record = chain.node("n1");
  Bytes rejoin = chain.sign("n1", [&](pb::Transaction& transaction) {
    pb::RejoinNode& action = *transaction.mutable_rejoin_node();
    action.set_node_epoch(record.epoch());
    *action.mutable_capacity() = record.capacity();
    action.mutable_capacity()->set_memory_bytes(1ull << 30);
    *action.mutable_addresses() = record.addresses();
  });
  chain.block({rejoin}, 100);
  CHECK_LE(chain.node("n1").used().memory_bytes(), 1ull << 30);
  CHECK_EQ(chain.node("n1").used().memory_bytes() + chain.node("n2").used().memory_bytes(), 8 * (512ull << 20));
}
