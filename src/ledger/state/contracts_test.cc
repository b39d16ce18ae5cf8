#include <doctest/doctest.h>

#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

TEST_CASE("a submitted contract waits for approvals and nothing of it is placed") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.make_header("web", {test_facets("web", 2)});
  CHECK(chain.submit(header).ok);
  chain.settle();
  pb::Contract contract = chain.contract(header);
  CHECK_EQ(contract.proposed().state(), pb::CONTRACT_PENDING);
  CHECK_FALSE(contract.has_current());
  CHECK_EQ(chain.workload(header, "web").replicas_size(), 0);
  CHECK_EQ(chain.assignment("n1").contracts_size() + chain.assignment("n2").contracts_size(), 0);
}

TEST_CASE("a submission is refused when its header is not the sender's, not new, too late or not valid") {
  TestChain chain;
  pb::ContractHeader header = chain.make_header("web", {test_facets("web", 1)});
  CHECK_EQ(chain.submit(header, "bob").code, Code::Denied);
  pb::ContractHeader bad = header;
  bad.set_version(2);
  CHECK_EQ(chain.submit(bad).code, Code::Invalid);
  bad = header;
  bad.set_expires_ms(chain.now());
  CHECK_EQ(chain.submit(bad).code, Code::Invalid);
  bad = header;
  bad.clear_body_hash();
  CHECK_EQ(chain.submit(bad).code, Code::Invalid);
  bad = header;
  TestChain::set_signers(bad, {"bob", "stranger"}, 1);
  CHECK_EQ(chain.submit(bad).code, Code::NotFound);
  CHECK(chain.submit(header).ok);
  CHECK_EQ(chain.submit(header).code, Code::AlreadyExists);
  // The same name under another nonce.
  bad = header;
  bad.set_nonce(Bytes(16, 'x'));
  CHECK_EQ(chain.submit(bad).code, Code::AlreadyExists);
}

TEST_CASE("a keyring is named exactly when there are sealed secrets") {
  TestChain chain;
  pb::ContractHeader header = chain.make_header("web", {test_facets("web", 1)});
  auto submit = [&](const Bytes& hash, const std::vector<Bytes>& nodes) {
    return chain
        .run("ann",
             [&](pb::Transaction& transaction) {
               pb::SubmitContract& action = *transaction.mutable_submit_contract();
               action.set_header(wire::encode(header));
               action.set_keyring_hash(hash);
               for (const Bytes& node : nodes) action.add_keyring_nodes(node);
             })
        .code;
  };
  CHECK_EQ(submit(Bytes(32, 'h'), {}), Code::Invalid);
  CHECK_EQ(submit("", {Bytes(32, 'n')}), Code::Invalid);
  header.set_sealed_secrets(true);
  CHECK_EQ(submit("", {}), Code::Invalid);
  CHECK_EQ(submit(Bytes(32, 'h'), {Bytes(32, 'b'), Bytes(32, 'a')}), Code::Invalid);
  CHECK_EQ(submit(Bytes(32, 'h'), {Bytes(31, 'a')}), Code::Invalid);
  submit(Bytes(32, 'h'), {Bytes(32, 'a'), Bytes(32, 'b')});
  CHECK_EQ(chain.contract(header).proposed_keyring_nodes_size(), 2);
}

TEST_CASE("an update is the next version of the same contract by its owner") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  CHECK_EQ(chain.place_of(header, "web", 0), "n1");
  pb::ContractHeader next = header;
  CHECK_EQ(chain.update(next).code, Code::Conflict);  // version 1 again
  next.set_version(3);
  CHECK_EQ(chain.update(next).code, Code::Conflict);
  next.set_version(2);
  CHECK_EQ(chain.update(next, "bob").code, Code::Denied);
  pb::ContractHeader renamed = next;
  renamed.set_name("other");
  CHECK_EQ(chain.update(renamed).code, Code::Invalid);
  pb::ContractHeader other_nonce = next;
  other_nonce.set_nonce(Bytes(16, 'x'));
  CHECK_EQ(chain.update(other_nonce).code, Code::NotFound);
  CHECK(chain.update(next).ok);

  SUBCASE("the version before runs on until the new one is approved") {
    CHECK_EQ(chain.contract(header).current().version(), 1);
    CHECK_EQ(chain.replica(header, "web", 0).version(), 1);
    CHECK(chain.approve(next, "bob").ok);
    CHECK_EQ(chain.contract(header).current().version(), 2);
    CHECK_FALSE(chain.contract(header).has_proposed());
    CHECK_EQ(chain.replica(header, "web", 0).version(), 2);
    CHECK_EQ(chain.replica(header, "web", 0).epoch(), 2);
  }
  SUBCASE("a rejected version leaves the one before running, and its number is used up") {
    CHECK(chain.reject(next, "bob").ok);
    CHECK_EQ(chain.contract(header).proposed().state(), pb::CONTRACT_REJECTED);
    CHECK_EQ(chain.contract(header).current().state(), pb::CONTRACT_ACTIVE);
    CHECK_EQ(chain.replica(header, "web", 0).version(), 1);
    CHECK_EQ(chain.update(next).code, Code::Conflict);
    next.set_version(3);
    CHECK(chain.update(next).ok);
  }
  SUBCASE("a later proposal replaces one that waits; approvals of the old one are void") {
    pb::ContractHeader third = next;
    third.set_version(3);
    CHECK(chain.update(third).ok);
    CHECK_EQ(chain.approve(next, "bob").code, Code::Conflict);
    CHECK(chain.approve(third, "bob").ok);
    CHECK_EQ(chain.contract(header).current().version(), 3);
  }
}

TEST_CASE("a first version that is rejected or expires frees its name and can be proposed anew") {
  TestChain chain;
  pb::ContractHeader header = chain.make_header("web", {test_facets("web", 1)});
  chain.submit(header);
  SUBCASE("rejected") { chain.reject(header, "bob"); }
  SUBCASE("expired") { chain.pass(4'000'000); }
  CHECK_NE(chain.contract(header).proposed().state(), pb::CONTRACT_PENDING);
  pb::ContractHeader again = header;
  again.set_version(2);
  again.set_expires_ms(chain.now() + 1'000'000);
  pb::ContractHeader twin = again;
  twin.set_version(1);
  twin.set_nonce(Bytes(16, 'x'));
  CHECK(chain.submit(twin).ok);
  CHECK_EQ(chain.update(again).code, Code::AlreadyExists);  // the name is the twin's now
  CHECK(chain.cancel(twin).ok);
  CHECK(chain.update(again).ok);
  CHECK(chain.approve(again, "bob").ok);
  CHECK_EQ(chain.contract(header).current().version(), 2);
}

TEST_CASE("cancelling what lost its name does not take it from the contract that has it now") {
  TestChain chain;
  pb::ContractHeader header = chain.make_header("web", {test_facets("web", 1)});
  chain.submit(header);
  chain.reject(header, "bob");
  pb::ContractHeader twin = header;
  twin.set_nonce(Bytes(16, 'x'));
  REQUIRE(chain.submit(twin).ok);
  CHECK(chain.cancel(header).ok);
  CHECK_EQ(chain.state().get(keys::contract_name(test_key("ann").public_key(), "web")),
           contract::contract_id(twin).bytes());
  pb::ContractHeader third = header;
  third.set_nonce(Bytes(16, 'y'));
  CHECK_EQ(chain.submit(third).code, Code::AlreadyExists);
}

TEST_CASE("a cancelled contract gives everything back and is over") {
  TestChain chain;
  chain.make_farm(2);
  pb::Facets web = test_facets("web", 2);
  web.add_claims("tcp/8080");
  web.add_spaces("net");
  pb::ContractHeader header = chain.make_header("web", {web});
  header.add_spaces()->set_name("net");
  header.mutable_spaces(0)->set_range("10.7.0.0/24");
  Hash before = TestChain::digest(chain.state());
  chain.submit(header);
  chain.approve(header, "bob");
  REQUIRE_EQ(chain.node("n1").claims_size(), 1);
  CHECK_EQ(chain.cancel(header, false, "bob").code, Code::Denied);
  CHECK(chain.cancel(header).ok);
  CHECK_EQ(chain.contract(header).current().state(), pb::CONTRACT_CANCELLED);
  CHECK_EQ(chain.contract(header).spaces_size(), 0);
  CHECK_EQ(chain.workload(header, "web").replicas_size(), 0);
  for (const char* name : {"n1", "n2"}) {
    CHECK_EQ(chain.node(name).used().cpu_milli(), 0);
    CHECK_EQ(chain.node(name).claims_size(), 0);
    CHECK_EQ(chain.assignment(name).contracts_size(), 0);
  }
  CHECK_EQ(chain.cancel(header).code, Code::Conflict);
  pb::ContractHeader next = header;
  next.set_version(2);
  CHECK_EQ(chain.update(next).code, Code::Conflict);
  CHECK_EQ(chain.approve(header, "bob").code, Code::Conflict);
  CHECK_NE(TestChain::digest(chain.state()), before);
  // The name is free again.
  pb::ContractHeader twin = chain.make_header("web", {test_facets("web", 1)});
  twin.set_nonce(Bytes(16, 'x'));
  CHECK(chain.submit(twin).ok);
}

TEST_CASE("volumes are erased only when the owner asks, on every node that may hold some, until it says so") {
  TestChain chain;
  chain.make_farm(1);
  pb::Facets database = test_facets("db", 1);
  database.set_on_node_loss(pb::NODE_LOSS_WAIT);
  pb::ContractHeader header = chain.deploy("db", {database});
  REQUIRE_EQ(chain.place_of(header, "db", 0), "n1");
  CHECK(chain.cancel(header).ok);
  CHECK_EQ(chain.assignment("n1").contracts_size(), 0);
  CHECK(chain.cancel(header, true).ok);  // later the owner adds the erasure
  REQUIRE_EQ(chain.assignment("n1").contracts_size(), 1);
  CHECK(chain.assignment("n1").contracts(0).erase_volumes());
  CHECK_EQ(chain.assignment("n1").contracts(0).replicas_size(), 0);
  CHECK_EQ(chain.cancel(header, true).code, Code::Conflict);

  pb::Result gone;
  gone.set_contract(contract::contract_id(header).bytes());
  gone.set_state(pb::REPLICA_RUNNING);
  CHECK_EQ(chain.report("n1", {gone}).code, Code::Invalid);
  gone.set_state(pb::REPLICA_STOPPED);
  CHECK(chain.report("n1", {gone}).ok);
  CHECK_EQ(chain.assignment("n1").contracts_size(), 0);
  CHECK_EQ(chain.report("n1", {gone}).code, Code::NotFound);
}

TEST_CASE("a network keeps its range; its replicas keep their addresses wherever they run") {
  TestChain chain;
  chain.make_farm(3);
  pb::Facets web = test_facets("web", 2);
  web.add_spaces("net");
  pb::ContractHeader header = chain.make_header("web", {web});
  header.add_spaces()->set_name("net");
  header.mutable_spaces(0)->set_range("10.7.0.0/28");
  chain.submit(header);
  chain.approve(header, "bob");
  CHECK_EQ(chain.replica(header, "web", 0).addresses(0).address(), "10.7.0.2");
  CHECK_EQ(chain.replica(header, "web", 1).addresses(0).address(), "10.7.0.3");
  CHECK_GE(chain.contract(header).spaces(0).vni(), 4096);

  std::string before = chain.place_of(header, "web", 1);
  chain.suspect(before);
  chain.pass(1000);
  CHECK_NE(chain.place_of(header, "web", 1), before);
  CHECK_EQ(chain.replica(header, "web", 1).addresses(0).address(), "10.7.0.3");

  pb::ContractHeader other = header;
  other.set_version(2);
  other.mutable_spaces(0)->set_range("10.8.0.0/24");
  CHECK_EQ(chain.update(other).code, Code::Invalid);

  pb::ContractHeader larger =
      chain.upgrade(header, [](pb::ContractHeader& next) { next.mutable_workloads(0)->set_replicas(1); });
  larger = chain.upgrade(larger, [](pb::ContractHeader& next) { next.mutable_workloads(0)->set_replicas(3); });
  CHECK_EQ(chain.replica(header, "web", 2).addresses(0).address(), "10.7.0.4");
  CHECK_EQ(chain.contract(header).spaces(0).leases_size(), 3);

  pb::ContractHeader twin = chain.make_header("twin", {web});
  *twin.mutable_spaces() = header.spaces();
  chain.submit(twin);
  chain.approve(twin, "bob");
  CHECK_NE(chain.contract(twin).spaces(0).vni(), chain.contract(header).spaces(0).vni());
}

TEST_CASE("a network that replaces another has another range, as both run for a while") {
  TestChain chain;
  chain.make_farm(1);
  pb::Facets web = test_facets("web", 1);
  web.add_spaces("old");
  pb::ContractHeader header = chain.make_header("web", {web});
  header.add_spaces()->set_name("old");
  header.mutable_spaces(0)->set_range("10.7.0.0/16");
  chain.submit(header);
  chain.approve(header, "bob");
  header.set_version(2);
  header.mutable_workloads(0)->set_spaces(0, "young");
  header.mutable_spaces(0)->set_name("young");
  header.mutable_spaces(0)->set_range("10.7.8.0/24");
  CHECK_EQ(chain.update(header).code, Code::Invalid);
  header.mutable_spaces(0)->set_range("10.8.0.0/24");
  CHECK(chain.update(header).ok);
  chain.approve(header, "bob");
  CHECK_EQ(chain.replica(header, "web", 0).addresses(0).address(), "10.8.0.2");
  CHECK_EQ(chain.contract(header).spaces_size(), 1);
}

TEST_CASE("a contract places a bounded number of replicas") {
  TestChain chain;
  std::vector<pb::Facets> workloads;
  for (int i = 0; i < 11; ++i) workloads.push_back(test_facets("w" + std::string(1, static_cast<char>('a' + i)), 1000));
  CHECK_EQ(chain.submit(chain.make_header("huge", workloads)).code, Code::Exhausted);
  workloads.pop_back();
  CHECK(chain.submit(chain.make_header("huge", workloads)).ok);
}
