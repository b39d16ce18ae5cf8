#include "ledger/state/schedule.h"

#include <doctest/doctest.h>

#include <set>

#include "ledger/state/test_books.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr uint64_t kGiB = 1ull << 30;

pb::Facets sized(std::string_view name, uint32_t replicas, uint64_t memory_bytes) {
  pb::Facets facets = test_facets(name, replicas);
  facets.mutable_demand()->set_memory_bytes(memory_bytes);
  return facets;
}

// A container with a volume that follows it: data stays on its node.
std::vector<pb::Facets> database(uint32_t replicas, pb::NodeLoss on_node_loss = pb::NODE_LOSS_WAIT) {
  pb::Facets data = sized("data", replicas, 0);
  data.set_kind("volume");
  pb::Facets server = test_facets("server", replicas);
  server.add_with("data");
  for (pb::Facets* facets : {&data, &server}) {
    facets->set_on_node_loss(on_node_loss);
    facets->set_exclusive(true);
  }
  return {data, server};
}

std::set<std::string> places(const TestChain& chain, const pb::ContractHeader& header, std::string_view workload) {
  std::set<std::string> nodes;
  const pb::Workload record = chain.workload(header, workload);
  for (const pb::Replica& replica : record.replicas()) nodes.insert(chain.node_name(replica.node()));
  return nodes;
}

void check_books(TestChain& chain) {
  CHECK_EQ(Books(chain.state()).error(), "");
  chain.state().each("node/", [&](BytesView key, BytesView value) {
    pb::Node node;
    parse_record(node, value, key);
    CHECK_LE(node.used().memory_bytes(), node.capacity().memory_bytes());
    return true;
  });
}

}  // namespace

TEST_CASE("an approved contract is placed in the same block, spread over nodes") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 3)});
  CHECK_EQ(places(chain, header, "web"), std::set<std::string>{"n1", "n2", "n3"});
  CHECK_EQ(chain.contract(header).revision(), chain.height());
  CHECK_EQ(chain.replica(header, "web", 0).state(), pb::REPLICA_ASSIGNED);
  CHECK_EQ(chain.replica(header, "web", 0).epoch(), 1);
  check_books(chain);
}

TEST_CASE("what has no place waits with its reason and is placed once there is room") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader first = chain.deploy("first", {sized("web", 2, 3 * kGiB)});
  pb::ContractHeader second = chain.deploy("second", {sized("web", 2, 2 * kGiB)});
  CHECK_EQ(chain.replica(second, "web", 0).state(), pb::REPLICA_WAITING);
  CHECK_EQ(chain.replica(second, "web", 0).message(),
           "memory: needs 2GiB, the most any of 2 eligible nodes has free is 1GiB");
  uint64_t due = 1;
  CHECK_FALSE(has_pending_time_work(chain.state(), due));

  SUBCASE("a node joins") {
    chain.admit("ann", "farm", "n3");
    CHECK_EQ(chain.place_of(second, "web", 0), "n3");
    CHECK_EQ(chain.place_of(second, "web", 1), "n3");
  }
  SUBCASE("another contract ends") {
    chain.cancel(first);
    CHECK(has_pending_time_work(chain.state(), due));
    CHECK_EQ(due, 0);
    chain.settle();
    CHECK_EQ(places(chain, second, "web"), std::set<std::string>{"n1", "n2"});
  }
  SUBCASE("another contract shrinks") {
    chain.upgrade(first, [](pb::ContractHeader& header) { header.mutable_workloads(0)->set_replicas(1); });
    chain.settle();
    CHECK_NE(chain.place_of(second, "web", 0), "");
  }
  chain.settle();
  CHECK_FALSE(has_pending_time_work(chain.state(), due));
  check_books(chain);
}

TEST_CASE("many that wait are tried a few per block, until all were tried") {
  TestChain chain;
  chain.make_farm(1);
  std::vector<pb::ContractHeader> headers;
  for (int i = 0; i < 150; ++i) headers.push_back(chain.deploy("c" + std::to_string(i), {sized("web", 1, 64 * kGiB)}));
  headers.push_back(chain.deploy("small", {sized("web", 1, 4 * kGiB)}));
  chain.admit("ann", "farm", "n2", [](pb::AdmitNode& admission) {
    admission.mutable_capacity()->set_memory_bytes(120 * 64 * kGiB);
    admission.mutable_capacity()->set_cpu_milli(1'000'000);
  });
  chain.settle();
  int placed = 0;
  for (const pb::ContractHeader& header : headers) placed += chain.place_of(header, "web", 0).empty() ? 0 : 1;
  CHECK_EQ(placed, 121);
  check_books(chain);
}

TEST_CASE("a replica and its volumes stand together and stay on their node") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("db", database(2));
  for (uint32_t index : {0u, 1u}) {
    CHECK_EQ(chain.place_of(header, "server", index), chain.place_of(header, "data", index));
  }
  CHECK_EQ(places(chain, header, "server").size(), 2);
  std::string home = chain.place_of(header, "server", 0);

  SUBCASE("a lost node is waited for, at the same epoch") {
    chain.suspect(home);
    chain.pass(1000);
    CHECK_EQ(chain.place_of(header, "server", 0), home);
    CHECK_EQ(chain.replica(header, "server", 0).state(), pb::REPLICA_WAITING);
    CHECK_EQ(chain.replica(header, "server", 0).message(),
             "node " + home + " is lost; waits for it, as its data is there");
    chain.rejoin(home);
    CHECK_EQ(chain.place_of(header, "server", 0), home);
    CHECK_EQ(chain.replica(header, "server", 0).epoch(), 1);
    CHECK_EQ(chain.replica(header, "server", 0).state(), pb::REPLICA_ASSIGNED);
  }
  SUBCASE("a drained node keeps it and the contract says so") {
    chain.drain(home);
    CHECK_EQ(chain.place_of(header, "server", 0), home);
    CHECK_EQ(chain.contract(header).current().reason(),
             "server/0: stays on node " + home + ", which drains or is overfull, as its data is there");
    chain.resume(home);
    CHECK_EQ(chain.contract(header).current().reason(), "");
  }
  SUBCASE("an update that does not fit there waits while the old version runs on") {
    pb::ContractHeader filler = chain.deploy("filler", {sized("web", 3, 3 * kGiB)});
    for (uint32_t index : {0u, 1u}) chain.report(header, "server", index, pb::REPLICA_RUNNING);
    chain.upgrade(header, [](pb::ContractHeader& changed) {
      changed.mutable_workloads(1)->mutable_demand()->set_memory_bytes(2 * kGiB);
    });
    CHECK_EQ(chain.replica(header, "server", 0).version(), 1);
    CHECK_EQ(chain.contract(header).current().reason(), "server/0: update waits on node " + home +
                                                            ": memory: needs 2GiB, the most the only eligible node (" +
                                                            home + ") has free is 1GiB");
    check_books(chain);
    chain.cancel(filler);
    chain.settle();
    CHECK_EQ(chain.replica(header, "server", 0).version(), 2);
    CHECK_EQ(chain.place_of(header, "server", 0), home);
  }
  check_books(chain);
}

TEST_CASE("what may start empty is re-placed, volume and all, with new epochs") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("db", database(1, pb::NODE_LOSS_START_EMPTY));
  std::string home = chain.place_of(header, "server", 0);
  chain.suspect(home);
  chain.pass(1000);
  CHECK_NE(chain.place_of(header, "server", 0), home);
  CHECK_EQ(chain.place_of(header, "server", 0), chain.place_of(header, "data", 0));
  CHECK_EQ(chain.replica(header, "server", 0).epoch(), 2);
  CHECK_EQ(chain.replica(header, "data", 0).epoch(), 2);
  chain.rejoin(home);
  CHECK_NE(chain.place_of(header, "server", 0), home);
  CHECK_EQ(chain.assignment(home).contracts_size(), 0);
  // What it left behind is erased as well, when the owner ends it so.
  chain.cancel(header, true);
  CHECK(chain.assignment(home).contracts(0).erase_volumes());
  check_books(chain);
}

TEST_CASE("a rolling update renews no more replicas at once than may be down") {
  TestChain chain;
  chain.make_farm(4);
  pb::Facets web = test_facets("web", 4);
  web.mutable_update()->set_max_unavailable(2);
  web.mutable_update()->set_healthy_after_ms(5000);
  pb::ContractHeader header = chain.deploy("web", {web});
  for (uint32_t i = 0; i < 4; ++i) chain.report(header, "web", i, pb::REPLICA_RUNNING);
  chain.upgrade(header, [](pb::ContractHeader&) {});
  auto versions = [&] {
    std::string text;
    for (uint32_t i = 0; i < 4; ++i) text += std::to_string(chain.replica(header, "web", i).version());
    return text;
  };
  CHECK_EQ(versions(), "2211");
  CHECK_EQ(chain.replica(header, "web", 0).epoch(), 2);
  CHECK(exists(chain.state(), keys::header(contract::contract_id(header), 1)));
  check_books(chain);
  chain.report(header, "web", 0, pb::REPLICA_RUNNING);
  CHECK_EQ(versions(), "2211");  // not yet proven for long enough
  uint64_t due = 0;
  REQUIRE(has_pending_time_work(chain.state(), due));
  CHECK_EQ(due, chain.now() + 5000);
  chain.pass(5000);
  CHECK_EQ(versions(), "2221");
  chain.report(header, "web", 1, pb::REPLICA_RUNNING);
  chain.report(header, "web", 2, pb::REPLICA_RUNNING);
  chain.pass(5000);
  CHECK_EQ(versions(), "2222");
  CHECK_FALSE(exists(chain.state(), keys::header(contract::contract_id(header), 1)));
  CHECK_EQ(chain.contract(header).current().reason(), "");
  check_books(chain);
}

TEST_CASE("replicas that are not ready are renewed at once: a bad version is left behind") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 3)});
  chain.report(header, "web", 0, pb::REPLICA_RUNNING);
  chain.report(header, "web", 1, pb::REPLICA_RESTARTING);
  chain.upgrade(header, [](pb::ContractHeader&) {});
  CHECK_EQ(chain.replica(header, "web", 0).version(), 1);  // the only one that serves
  CHECK_EQ(chain.replica(header, "web", 1).version(), 2);
  CHECK_EQ(chain.replica(header, "web", 2).version(), 2);
  chain.report(header, "web", 1, pb::REPLICA_RUNNING);
  CHECK_EQ(chain.replica(header, "web", 0).version(), 1);
  chain.report(header, "web", 2, pb::REPLICA_RUNNING);
  CHECK_EQ(chain.replica(header, "web", 0).version(), 2);
}

TEST_CASE("an update adds, removes, grows and shrinks workloads") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("app", {test_facets("api", 3), test_facets("old", 1)});
  for (uint32_t i = 0; i < 3; ++i) chain.report(header, "api", i, pb::REPLICA_RUNNING);
  std::string kept = chain.place_of(header, "api", 0);
  chain.upgrade(header, [](pb::ContractHeader& next) {
    next.mutable_workloads(0)->set_replicas(1);
    *next.mutable_workloads(1) = test_facets("web", 2);
  });
  CHECK_EQ(chain.workload(header, "api").replicas_size(), 1);
  CHECK_EQ(chain.place_of(header, "api", 0), kept);
  CHECK_EQ(chain.workload(header, "web").replicas_size(), 2);
  CHECK_FALSE(exists(chain.state(), keys::workload(contract::contract_id(header), "old")));
  check_books(chain);
}

TEST_CASE("an update that no longer fits in place moves, unless data holds it") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader filler = chain.deploy("filler", {sized("web", 1, 3 * kGiB)});
  pb::ContractHeader header = chain.deploy("web", {sized("web", 1, kGiB)});
  CHECK_EQ(chain.place_of(filler, "web", 0), "n1");
  CHECK_EQ(chain.place_of(header, "web", 0), "n2");
  pb::ContractHeader second = chain.deploy("second", {sized("web", 1, 2 * kGiB)});
  CHECK_EQ(chain.place_of(second, "web", 0), "n2");
  chain.cancel(filler);
  chain.upgrade(header, [](pb::ContractHeader& next) {
    next.mutable_workloads(0)->mutable_demand()->set_memory_bytes(4 * kGiB);
  });
  CHECK_EQ(chain.place_of(header, "web", 0), "n1");
  CHECK_EQ(chain.replica(header, "web", 0).epoch(), 2);
  check_books(chain);
}

TEST_CASE("one cannot-run sends it elsewhere, its node is avoided for a growing while") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  CHECK_EQ(chain.place_of(header, "web", 0), "n1");
  chain.report(header, "web", 0, pb::REPLICA_CANNOT_RUN, "image: not found");
  CHECK_EQ(chain.place_of(header, "web", 0), "n2");
  CHECK_EQ(chain.replica(header, "web", 0).epoch(), 2);
  CHECK_EQ(chain.replica(header, "web", 0).exclusions(0).until_ms(), chain.now() + 1000);

  SUBCASE("ready for good, all is forgiven") {
    chain.report(header, "web", 0, pb::REPLICA_HEALTHY);
    CHECK_EQ(chain.replica(header, "web", 0).tries(), 0);
  }
  SUBCASE("with nowhere left it waits for the back-off, then is stuck after the last try") {
    Bytes second = chain.sign("n2", [&](pb::Transaction& transaction) {
      pb::Result& result = *transaction.mutable_report_results()->add_results();
      result.set_contract(contract::contract_id(header).bytes());
      result.set_workload("web");
      result.set_epoch(2);
      result.set_version(1);
      result.set_state(pb::REPLICA_CANNOT_RUN);
      result.set_message("image: bad");
    });
    CHECK(chain.block({second}, 500)[0].ok);
    CHECK_EQ(chain.place_of(header, "web", 0), "");
    CHECK_EQ(chain.replica(header, "web", 0).message(),
             "it could not run lately on any of 2 eligible nodes: image: not found");
    chain.settle();  // what it gave back is no place for it
    CHECK_EQ(chain.place_of(header, "web", 0), "");
    uint64_t due = 0;
    REQUIRE(has_pending_time_work(chain.state(), due));
    CHECK_EQ(due, chain.replica(header, "web", 0).exclusions(0).until_ms());
    chain.pass(500);
    CHECK_EQ(chain.place_of(header, "web", 0), "n1");
    chain.report(header, "web", 0, pb::REPLICA_CANNOT_RUN, "image: not found");
    CHECK_EQ(chain.replica(header, "web", 0).state(), pb::REPLICA_STUCK);
    CHECK_EQ(chain.replica(header, "web", 0).message(), "could not run 3 times, last on node n1: image: not found");
    CHECK_EQ(chain.place_of(header, "web", 0), "");
    chain.pass(1'000'000);
    CHECK_EQ(chain.place_of(header, "web", 0), "");

    auto retry = [&](const char* sender, const char* workload) {
      return chain.run(sender, [&](pb::Transaction& transaction) {
        transaction.mutable_retry()->set_contract(contract::contract_id(header).bytes());
        transaction.mutable_retry()->set_workload(workload);
      });
    };
    CHECK_EQ(retry("bob", "web").code, Code::Denied);
    CHECK_EQ(retry("ann", "other").code, Code::NotFound);
    CHECK(retry("ann", "web").ok);
    CHECK_NE(chain.place_of(header, "web", 0), "");
  }
  check_books(chain);
}

TEST_CASE("a new version gets all its tries, wherever the one before failed") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  for (int i = 0; i < 3; ++i) {
    chain.report(header, "web", 0, pb::REPLICA_CANNOT_RUN, "bad");
    chain.pass(60'000);
  }
  CHECK_EQ(chain.replica(header, "web", 0).state(), pb::REPLICA_STUCK);
  chain.upgrade(header, [](pb::ContractHeader&) {});
  CHECK_EQ(chain.place_of(header, "web", 0), "n1");
  CHECK_EQ(chain.replica(header, "web", 0).tries(), 0);
}

TEST_CASE("what is bound to its node is tried again there, with a new epoch, then stuck there") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("db", database(1));
  std::string home = chain.place_of(header, "server", 0);
  for (uint64_t epoch = 1; epoch <= 2; ++epoch) {
    CHECK_EQ(chain.replica(header, "server", 0).epoch(), epoch);
    chain.report(header, "server", 0, pb::REPLICA_CANNOT_RUN, "disk");
    CHECK_EQ(chain.place_of(header, "server", 0), home);
    CHECK_EQ(chain.replica(header, "server", 0).state(), pb::REPLICA_CANNOT_RUN);
    chain.pass(1000u << (epoch - 1));
  }
  chain.report(header, "server", 0, pb::REPLICA_CANNOT_RUN, "disk");
  CHECK_EQ(chain.replica(header, "server", 0).state(), pb::REPLICA_STUCK);
  CHECK_EQ(chain.place_of(header, "server", 0), home);
  chain.run("ann", [&](pb::Transaction& transaction) {
    transaction.mutable_retry()->set_contract(contract::contract_id(header).bytes());
    transaction.mutable_retry()->set_workload("server");
  });
  CHECK_EQ(chain.replica(header, "server", 0).state(), pb::REPLICA_ASSIGNED);
  CHECK_EQ(chain.replica(header, "server", 0).epoch(), 4);
  check_books(chain);
}

TEST_CASE("claims and apart keep workloads off each other's nodes") {
  TestChain chain;
  chain.make_farm(2);
  pb::Facets web = test_facets("web", 1);
  web.add_claims("tcp/8080");
  pb::ContractHeader first = chain.deploy("first", {web});
  pb::ContractHeader second = chain.deploy("second", {web});
  CHECK_NE(chain.place_of(first, "web", 0), chain.place_of(second, "web", 0));
  pb::ContractHeader third = chain.deploy("third", {web});
  CHECK_EQ(chain.replica(third, "web", 0).message(), "claim: another workload has tcp/8080 on any of 2 eligible nodes");
  chain.cancel(first);
  chain.settle();
  CHECK_NE(chain.place_of(third, "web", 0), "");

  pb::Facets one = test_facets("one", 1);
  pb::Facets two = test_facets("two", 2);
  two.mutable_placement()->add_apart("one");
  pb::ContractHeader header = chain.deploy("apart", {one, two});
  CHECK_FALSE(places(chain, header, "two").contains(chain.place_of(header, "one", 0)));
  check_books(chain);
}

TEST_CASE("sealed secrets keep a contract on nodes that can open them until the owner reseals") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.make_header("web", {test_facets("web", 2)});
  header.mutable_workloads(0)->mutable_placement()->set_spread(pb::SPREAD_REQUIRE);
  header.set_sealed_secrets(true);
  auto key_bytes = [](const char* name) { return test_key(name).public_key().bytes(); };
  chain.run("ann", [&](pb::Transaction& transaction) {
    transaction.mutable_submit_contract()->set_header(wire::encode(header));
    transaction.mutable_submit_contract()->set_keyring_hash(Bytes(32, 'h'));
    transaction.mutable_submit_contract()->add_keyring_nodes(key_bytes("n1"));
  });
  chain.approve(header, "bob");
  CHECK_EQ(places(chain, header, "web"), std::set<std::string>{"n1", ""});
  auto reseal = [&](const char* sender) {
    return chain.run(sender, [&](pb::Transaction& transaction) {
      pb::Reseal& action = *transaction.mutable_reseal();
      action.set_contract(contract::contract_id(header).bytes());
      action.set_keyring_hash(Bytes(32, 'i'));
      std::set<Bytes> nodes = {key_bytes("n1"), key_bytes("n2")};
      for (const Bytes& node : nodes) action.add_keyring_nodes(node);
    });
  };
  CHECK_EQ(reseal("bob").code, Code::Denied);
  CHECK(reseal("ann").ok);
  CHECK_EQ(places(chain, header, "web"), std::set<std::string>{"n1", "n2"});
}

TEST_CASE("results count only from the holder, at its epoch and version, and once a second") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  pb::Result good;
  good.set_contract(contract::contract_id(header).bytes());
  good.set_workload("web");
  good.set_epoch(1);
  good.set_version(1);
  good.set_state(pb::REPLICA_RUNNING);
  auto with = [&](const std::function<void(pb::Result&)>& change) {
    pb::Result result = good;
    change(result);
    return result;
  };
  Hash before = TestChain::digest(chain.state());
  CHECK_EQ(chain.report("n2", {good}).code, Code::Denied);
  CHECK_EQ(chain.report("n1", {with([](auto& result) { result.set_epoch(2); })}).code, Code::Denied);
  CHECK_EQ(chain.report("n1", {with([](auto& result) { result.set_version(2); })}).code, Code::Conflict);
  CHECK_EQ(chain.report("n1", {with([](auto& result) { result.set_index(1); })}).code, Code::NotFound);
  CHECK_EQ(chain.report("n1", {with([](auto& result) { result.set_workload("other"); })}).code, Code::NotFound);
  CHECK_EQ(chain.report("n1", {with([](auto& result) { result.set_contract("x"); })}).code, Code::Invalid);
  CHECK_EQ(chain.report("n1", {with([](auto& result) { result.set_state(pb::REPLICA_STUCK); })}).code, Code::Invalid);
  CHECK_EQ(chain.report("n1", {with([](auto& result) { result.set_message(Bytes(201, 'x')); })}).code, Code::Invalid);
  CHECK_EQ(chain.report("n1", std::vector<pb::Result>{}).code, Code::Invalid);
  CHECK_EQ(chain.replica(header, "web", 0).state(), pb::REPLICA_ASSIGNED);
  CHECK_NE(TestChain::digest(chain.state()), before);  // sequences

  TransactionResult mixed = chain.report("n1", {with([](auto& result) { result.set_epoch(2); }), good});
  CHECK(mixed.ok);
  CHECK_EQ(mixed.message, "1 of 2 results ignored: web/0: the replica has epoch 1, not 2");
  CHECK_EQ(chain.replica(header, "web", 0).state(), pb::REPLICA_RUNNING);

  auto again = [&] {
    return chain.sign(
        "n1", [&](pb::Transaction& transaction) { *transaction.mutable_report_results()->add_results() = good; });
  };
  // A few may come close together, as blocks do; over time it is one a second.
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += chain.block({again()}, 100)[0].ok ? 1 : 0;
  CHECK_GE(taken, 10);
  CHECK_LE(taken, 15);
  CHECK_EQ(chain.block({again()}, 100)[0].code, Code::Exhausted);
  for (int i = 0; i < 10; ++i) CHECK(chain.block({again()}, 1000)[0].ok);
}

TEST_CASE("what ran well for a minute has its earlier failures forgiven") {
  TestChain chain;
  chain.make_farm(4);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  for (int i = 0; i < 6; ++i) {
    chain.report(header, "web", 0, pb::REPLICA_RUNNING);
    chain.pass(61'000);
    chain.report(header, "web", 0, pb::REPLICA_CANNOT_RUN, "disk");
    CHECK_EQ(chain.replica(header, "web", 0).tries(), 1);
    CHECK_LE(chain.replica(header, "web", 0).exclusions_size(), 1);
    CHECK_NE(chain.place_of(header, "web", 0), "");
  }
}

TEST_CASE("members of a bundle that claim the same name find no place, and nothing breaks") {
  TestChain chain;
  chain.make_farm(1);
  std::vector<pb::Facets> workloads = database(1);
  for (pb::Facets& facets : workloads) facets.add_claims("tcp/5432");
  pb::ContractHeader header = chain.deploy("db", workloads);
  CHECK_EQ(chain.replica(header, "server", 0).message(), "claim: two of what stands together claim tcp/5432");
}

TEST_CASE("what one member of a bundle claimed another may claim in the next version") {
  TestChain chain;
  chain.make_farm(1);
  std::vector<pb::Facets> workloads = database(1);
  workloads[0].add_claims("tcp/5432");
  pb::ContractHeader header = chain.deploy("db", workloads);
  REQUIRE_EQ(chain.place_of(header, "server", 0), "n1");
  header = chain.upgrade(header, [](pb::ContractHeader& next) {
    next.mutable_workloads(0)->clear_claims();
    next.mutable_workloads(1)->add_claims("tcp/5432");
  });
  CHECK_EQ(chain.replica(header, "server", 0).version(), 2);
  CHECK_EQ(chain.node("n1").claims(0).workload(), "server");
  check_books(chain);
}

TEST_CASE("all nodes of a contract read it again when its keyring or a node's addresses change") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 2)});
  uint64_t before = chain.contract(header).revision();
  chain.suspect("n1", "validator0", 10);
  pb::Node record = chain.node("n1");
  Bytes rejoin = chain.sign("n1", [&](pb::Transaction& transaction) {
    pb::RejoinNode& action = *transaction.mutable_rejoin_node();
    action.set_node_epoch(record.epoch());
    *action.mutable_capacity() = record.capacity();
    action.mutable_addresses()->set_backplane("10.251.0.99");
  });
  CHECK(chain.block({rejoin}, 10)[0].ok);
  CHECK_GT(chain.contract(header).revision(), before);
  CHECK_EQ(chain.assignment("n2").contracts(0).revision(), chain.contract(header).revision());
  CHECK_EQ(chain.replica(header, "web", 0).epoch(), 1);
  check_books(chain);
}

TEST_CASE("a large contract is placed, renewed and released without looking at every pair of replicas") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  for (int i = 0; i < 20; ++i) {
    chain.admit("ann", "farm", "n" + std::to_string(i), [](pb::AdmitNode& admission) {
      admission.mutable_capacity()->set_cpu_milli(1'000'000);
      admission.mutable_capacity()->set_memory_bytes(1ull << 50);
      admission.mutable_capacity()->set_pids(1'000'000);
    });
  }
  std::vector<pb::Facets> workloads;
  for (const char* name : {"wa", "wb", "wc"}) {
    pb::Facets facets = test_facets(name, 1000);
    facets.add_spaces("net");
    facets.mutable_update()->set_max_unavailable(1000);
    workloads.push_back(facets);
  }
  pb::ContractHeader header = chain.make_header("large", workloads);
  header.add_spaces()->set_name("net");
  header.mutable_spaces(0)->set_range("10.7.0.0/16");
  chain.submit(header);
  chain.approve(header, "bob");
  CHECK_EQ(places(chain, header, "wa").size(), 20);
  check_books(chain);
  chain.upgrade(header, [](pb::ContractHeader&) {});
  CHECK_EQ(chain.replica(header, "wc", 999).version(), 2);
  chain.cancel(header);
  CHECK_EQ(chain.node("n0").used().cpu_milli(), 0);
}

TEST_CASE("a replica that was removed comes back with an epoch nobody had") {
  TestChain chain;
  chain.make_farm(3);
  pb::ContractHeader header = chain.deploy("app", {test_facets("keeper", 1), test_facets("web", 2)});
  header = chain.upgrade(header, [](pb::ContractHeader& next) { next.mutable_workloads(1)->set_replicas(1); });
  header = chain.upgrade(header, [](pb::ContractHeader& next) { next.mutable_workloads()->RemoveLast(); });
  CHECK_FALSE(exists(chain.state(), keys::workload(contract::contract_id(header), "web")));
  uint64_t floor = load_number(chain.state(), keys::epoch_floor(contract::contract_id(header), "web")).value();
  header = chain.upgrade(header, [](pb::ContractHeader& next) { *next.add_workloads() = test_facets("web", 2); });
  for (uint32_t index : {0u, 1u}) CHECK_GT(chain.replica(header, "web", index).epoch(), floor);
  check_books(chain);
  chain.cancel(header);
  CHECK_FALSE(exists(chain.state(), keys::epoch_floor(contract::contract_id(header), "web")));
}

TEST_CASE("an update that waits leaves the running version its addresses") {
  TestChain chain;
  chain.make_farm(1);
  pb::Facets web = test_facets("web", 1);
  web.add_spaces("old");
  pb::ContractHeader header = chain.make_header("web", {web});
  header.add_spaces()->set_name("old");
  header.mutable_spaces(0)->set_range("10.7.0.0/24");
  chain.submit(header);
  chain.approve(header, "bob");
  chain.upgrade(header, [](pb::ContractHeader& next) {
    next.mutable_workloads(0)->mutable_demand()->set_memory_bytes(100 * kGiB);
    next.mutable_workloads(0)->set_spaces(0, "young");
    next.mutable_spaces(0)->set_name("young");
    next.mutable_spaces(0)->set_range("10.8.0.0/24");
  });
  REQUIRE_EQ(chain.replica(header, "web", 0).version(), 1);
  CHECK_EQ(chain.replica(header, "web", 0).addresses(0).space(), "old");
  CHECK_EQ(chain.contract(header).spaces_size(), 2);
  check_books(chain);
}

TEST_CASE("while an update does not fit, the version that runs is tried again as ever") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = chain.deploy("db", database(1));
  chain.report(header, "server", 0, pb::REPLICA_RUNNING);
  chain.upgrade(header, [](pb::ContractHeader& next) {
    next.mutable_workloads(1)->mutable_demand()->set_memory_bytes(100 * kGiB);
  });
  REQUIRE_EQ(chain.replica(header, "server", 0).version(), 1);
  chain.report(header, "server", 0, pb::REPLICA_CANNOT_RUN, "disk");
  CHECK_EQ(chain.replica(header, "server", 0).epoch(), 1);
  chain.pass(1000);
  CHECK_EQ(chain.replica(header, "server", 0).epoch(), 2);
  CHECK_EQ(chain.replica(header, "server", 0).version(), 1);
}
