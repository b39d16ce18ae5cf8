#include "ledger/state/machine.h"

#include <doctest/doctest.h>

#include "io/file.h"
#include "ledger/state/test_chain.h"
#include "testing/source_tree.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

void fill_farm(pb::Transaction& transaction) {
  transaction.mutable_create_farm()->set_name("farm");
  transaction.mutable_create_farm()->set_country("BE");
}

}  // namespace

TEST_CASE("a transaction is verified only when encoding, chain and signature are right") {
  TestChain chain;
  Bytes good = chain.sign("ann", fill_farm);
  REQUIRE(verify_transaction(good, "test").has_value());
  CHECK_EQ(verify_transaction(good, "test")->sender(), test_key("ann").public_key());
  CHECK_EQ(verify_transaction(good, "test")->hash(), crypto::blake2b(good));
  CHECK_EQ(verify_transaction(good, "other").error().code, Code::Denied);

  // Every flipped bit is noticed.
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    CHECK_FALSE(verify_transaction(bad, "test").has_value());
  }
  CHECK_EQ(verify_transaction(Bytes(kTransactionBytesMax + 1, 'x'), "test").error().code, Code::Invalid);
  CHECK_FALSE(verify_transaction("", "test").has_value());
}

TEST_CASE("the reference names every transaction") {
  Bytes page = io::read_file(testing::source_tree() + "/docs/reference/ledger-transactions.md").value();
  const auto* actions = pb::Transaction::descriptor()->FindOneofByName("action");
  REQUIRE(actions != nullptr);
  for (int i = 0; i < actions->field_count(); ++i) {
    CHECK_MESSAGE(page.find("`" + actions->field(i)->name() + "`") != Bytes::npos, actions->field(i)->name());
  }
}

TEST_CASE("a refusal does not repeat all that was sent, and stays whole characters") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = chain.deploy("web", {test_facets("web", 1)});
  std::string word = "x";
  for (int i = 0; i < 1000; ++i) word += "\u00e9";
  TransactionResult result = chain.run("ann", [&](pb::Transaction& transaction) {
    transaction.mutable_retry()->set_contract(contract::contract_id(header).bytes());
    transaction.mutable_retry()->set_workload(word);
  });
  CHECK_EQ(result.code, Code::NotFound);
  CHECK_LE(result.message.size(), 503);
  BytesView kept = BytesView(result.message).substr(0, result.message.size() - 3);
  CHECK(kept.ends_with("\u00e9"));
  CHECK(result.message.ends_with("..."));
}

TEST_CASE("a signature by another key or for another purpose does not count") {
  TestChain chain;
  pb::Transaction transaction;
  transaction.set_chain_id("test");
  transaction.set_sender(test_key("ann").public_key().bytes());
  transaction.set_sequence(1);
  fill_farm(transaction);
  pb::SignedTransaction forged;
  forged.set_transaction(wire::encode(transaction));
  forged.set_signature(test_key("bob").sign(kTransactionDomain, forged.transaction()));
  CHECK_EQ(verify_transaction(wire::encode(forged), "test").error().code, Code::Denied);
  forged.set_signature(test_key("ann").sign("mcloud/approval", forged.transaction()));
  CHECK_EQ(verify_transaction(wire::encode(forged), "test").error().code, Code::Denied);
}

TEST_CASE("a transaction without an action is refused before it reaches the machine") {
  TestChain chain;
  Bytes empty = chain.sign("ann", [](pb::Transaction&) {});
  CHECK_EQ(verify_transaction(empty, "test").error().code, Code::Invalid);
}

TEST_CASE("each executed transaction uses up its sequence, refused or not, and no other does") {
  TestChain chain;
  PublicKey ann = test_key("ann").public_key();
  Bytes first = chain.sign("ann", fill_farm);
  CHECK(chain.block({first})[0].ok);
  CHECK_EQ(chain.last_sequence(ann), 1);

  SUBCASE("a replay has the wrong sequence and changes nothing") {
    Hash before = TestChain::digest(chain.state());
    TransactionResult again = chain.block({first})[0];
    CHECK_EQ(again.code, Code::Conflict);
    CHECK_EQ(again.message.substr(0, 9), "sequence ");
    CHECK_EQ(TestChain::digest(chain.state()), before);
  }
  SUBCASE("one refused for its content uses its number up") {
    CHECK_EQ(chain.create_farm("ann", "farm").code, Code::AlreadyExists);
    CHECK_EQ(chain.last_sequence(ann), 2);
  }
  SUBCASE("one from the future is refused") {
    Bytes future = chain.sign("ann", [](pb::Transaction& transaction) {
      fill_farm(transaction);
      transaction.set_sequence(7);
    });
    CHECK_EQ(chain.block({future})[0].code, Code::Conflict);
    CHECK_EQ(chain.last_sequence(ann), 1);
  }
  SUBCASE("a stranger leaves no trace") {
    Hash before = TestChain::digest(chain.state());
    CHECK_EQ(chain.create_farm("stranger", "other").code, Code::Denied);
    CHECK_EQ(chain.report("stranger", {pb::Result()}).code, Code::Denied);
    CHECK_EQ(chain.admit("bob", "farm", "stranger").code, Code::Denied);
    CHECK_EQ(TestChain::digest(chain.state()), before);
  }
}

TEST_CASE("each action asks for the right kind of sender") {
  TestChain chain;
  chain.make_farm(1);
  CHECK_EQ(chain.create_farm("n1", "other").code, Code::Denied);
  CHECK_EQ(chain.create_farm("validator0", "other").code, Code::Denied);
  CHECK_EQ(chain.suspect("n1", "ann").code, Code::Denied);
  CHECK_EQ(chain.suspect("n1", "n1").code, Code::Denied);
  CHECK_EQ(chain.report("ann", {pb::Result()}).code, Code::Denied);
  CHECK_EQ(chain.last_sequence(test_key("validator0").public_key()), 0);
}

TEST_CASE("several transactions of one sender in a block are executed in order") {
  TestChain chain;
  auto farm_with_sequence = [&](uint64_t sequence, const char* name) {
    return chain.sign("ann", [&](pb::Transaction& transaction) {
      fill_farm(transaction);
      transaction.mutable_create_farm()->set_name(name);
      transaction.set_sequence(sequence);
    });
  };
  auto results = chain.block({farm_with_sequence(1, "f1"), farm_with_sequence(2, "f2"), farm_with_sequence(2, "f3")});
  CHECK(results[0].ok);
  CHECK(results[1].ok);
  CHECK_FALSE(results[2].ok);
  CHECK(exists(chain.state(), keys::farm("f2")));
  CHECK_FALSE(exists(chain.state(), keys::farm("f3")));
}

TEST_CASE("checking in advance finds strangers, wrong sequences and bad tokens") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  auto check = [&](const Bytes& bytes, uint64_t ahead) {
    return check_transaction(*verify_transaction(bytes, "test"), chain.state(), chain.now(), ahead);
  };
  CHECK(check(chain.sign("ann", fill_farm), 0).has_value());
  CHECK_EQ(check(chain.sign("ann", fill_farm), 1).error().code, Code::Conflict);
  Bytes second = chain.sign("ann", [](pb::Transaction& transaction) {
    fill_farm(transaction);
    transaction.set_sequence(3);
  });
  CHECK(check(second, 1).has_value());
  CHECK_EQ(check(chain.sign("eve", fill_farm), 0).error().code, Code::Denied);

  pb::AdmitNode admission = chain.make_admission("ann", "farm", "n1");
  auto admit = [&](pb::Transaction& transaction) { *transaction.mutable_admit_node() = admission; };
  CHECK(check(chain.sign("n1", admit), 0).has_value());
  admission = chain.make_admission("bob", "farm", "n1");
  CHECK_EQ(check(chain.sign("n1", admit), 0).error().code, Code::Denied);
}

TEST_CASE("a genesis that breaks a rule is refused with its reason") {
  TestChain chain;
  auto refuses = [&](const std::function<void(pb::Genesis&)>& change) {
    pb::Genesis genesis = chain.make_genesis({1, 1});
    change(genesis);
    MemoryState state;
    Status status = initialize_state(genesis, state);
    CHECK_FALSE(status.has_value());
    if (!status) CHECK_NE(status.error().message.find("genesis"), std::string::npos);
  };
  MemoryState state;
  CHECK(initialize_state(chain.make_genesis({1, 1}), state).has_value());
  refuses([](pb::Genesis& genesis) { genesis.set_chain_id("a b"); });
  refuses([](pb::Genesis& genesis) { genesis.clear_validators(); });
  refuses([](pb::Genesis& genesis) { genesis.mutable_validators(0)->set_power(0); });
  refuses([](pb::Genesis& genesis) { *genesis.mutable_validators(0) = genesis.validators(1); });
  refuses([](pb::Genesis& genesis) {
    genesis.clear_members();
    genesis.mutable_parameters()->clear_governors();
  });
  refuses([](pb::Genesis& genesis) { genesis.mutable_members(0)->set_name("Ann"); });
  refuses([](pb::Genesis& genesis) { genesis.mutable_members(1)->set_name(genesis.members(0).name()); });
  refuses([](pb::Genesis& genesis) { genesis.mutable_parameters()->set_fence_after_ms(1); });
  refuses([](pb::Genesis& genesis) { genesis.mutable_parameters()->set_logic_version(kLogicVersion + 1); });
  refuses([](pb::Genesis& genesis) { genesis.mutable_parameters()->add_governors(Bytes(32, '\xff')); });
}

TEST_CASE("governors set parameters within their ranges, nobody else does") {
  TestChain chain;
  pb::Parameters wanted = load_parameters(chain.state());
  auto set = [&](const char* sender) {
    return chain.run(sender, [&](pb::Transaction& transaction) {
      *transaction.mutable_set_parameters()->mutable_parameters() = wanted;
    });
  };
  wanted.set_fence_after_ms(8000);
  CHECK_EQ(set("bob").code, Code::Denied);
  CHECK(set("ann").ok);
  CHECK_EQ(load_parameters(chain.state()).fence_after_ms(), 8000);
  wanted.set_tries_max(0);
  CHECK_EQ(set("ann").code, Code::Invalid);
  wanted.set_tries_max(3);
  wanted.set_logic_version(kLogicVersion + 1);
  CHECK_EQ(set("ann").code, Code::Invalid);
  wanted.set_logic_version(kLogicVersion);
  wanted.clear_governors();
  CHECK_EQ(set("ann").code, Code::Invalid);
  wanted.add_governors(test_key("stranger").public_key().bytes());
  CHECK_EQ(set("ann").code, Code::NotFound);
}

TEST_CASE("a new logic comes into force at its height and stops binaries that do not have it") {
  TestChain chain;
  pb::Parameters wanted = load_parameters(chain.state());
  auto set = [&] {
    return chain.sign("ann", [&](pb::Transaction& transaction) {
      *transaction.mutable_set_parameters()->mutable_parameters() = wanted;
    });
  };
  wanted.set_next_logic_version(kLogicVersion + 2);
  wanted.set_next_logic_height(10);
  CHECK_EQ(chain.block({set()})[0].code, Code::Invalid);
  wanted.set_next_logic_version(kLogicVersion + 1);
  wanted.set_next_logic_height(1);
  CHECK_EQ(chain.block({set()})[0].code, Code::Invalid);
  wanted.set_next_logic_height(10);
  CHECK_EQ(check_transaction(*verify_transaction(set(), "test"), chain.state(), chain.now(), 0).error().code,
           Code::Unsupported);
  CHECK(chain.block({set()})[0].ok);
  CHECK(check_logic(chain.state(), 9).has_value());
  CHECK_EQ(check_logic(chain.state(), 10).error().code, Code::Unsupported);
}
