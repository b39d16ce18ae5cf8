#include "ledger/application.h"

#include <doctest/doctest.h>

#include "io/file.h"
#include "ledger/state/keys.h"
#include "ledger/state/test_chain.h"
#include "ledger/tree/proof.h"
#include "ledger/tree/tree.h"
#include "testing/simulated_clock.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

struct Fixture {
  testing::TemporaryFolder folder;
  testing::SimulatedClock clock;
  TestChain chain;
  std::unique_ptr<StateStore> store;
  std::unique_ptr<Application> application;
  uint64_t height = 0;

  explicit Fixture(bool begins = true) {
    store = std::move(*StateStore::open(folder / "state"));
    application = make_application(*store, clock, "test");
    if (!begins) return;
    REQUIRE(application->init_chain(chain.make_genesis({1})).has_value());
    REQUIRE(application->commit().has_value());
  }

  Bytes farm(std::string_view owner, std::string_view name, uint64_t sequence) const {
    crypto::SigningKey key = test_key(owner);
    pb::Transaction transaction;
    transaction.set_chain_id("test");
    transaction.set_sender(key.public_key().bytes());
    transaction.set_sequence(sequence);
    transaction.mutable_create_farm()->set_name(Bytes(name));
    transaction.mutable_create_farm()->set_country("BE");
    return sign_transaction(transaction, key);
  }

  Application::FinalizedBlock block(const std::vector<Bytes>& transactions) {
    ++height;
    auto finalized = application->finalize_block(height, kTestStartMs + height * 1000, transactions);
    REQUIRE_MESSAGE(finalized.has_value(), (finalized.has_value() ? "" : finalized.error().message));
    REQUIRE(application->commit().has_value());
    return *finalized;
  }
};

}  // namespace

TEST_CASE("check counts what waits, so that a sender may send several at once") {
  Fixture fixture;
  CHECK(fixture.application->check(fixture.farm("ann", "one", 1)).ok);
  CHECK(fixture.application->check(fixture.farm("ann", "two", 2)).ok);
  CHECK(fixture.application->check(fixture.farm("ann", "again", 2)).code == Code::Conflict);
  CHECK(fixture.application->check(fixture.farm("ann", "gap", 4)).code == Code::Conflict);
  CHECK(fixture.application->check(fixture.farm("bob", "other", 1)).ok);

  fixture.block({fixture.farm("ann", "one", 1)});
  CHECK(fixture.application->check(fixture.farm("ann", "gap", 4)).code == Code::Conflict);
  CHECK(fixture.application->check(fixture.farm("ann", "three", 3)).ok);
}

TEST_CASE("a block gives the same state whether its transactions were checked before or not") {
  Fixture checked;
  Fixture unchecked;
  std::vector<Bytes> transactions;
  for (uint64_t i = 1; i <= 20; ++i) transactions.push_back(checked.farm("ann", "farm-" + std::to_string(i), i));
  for (const Bytes& transaction : transactions) CHECK(checked.application->check(transaction).ok);
  auto a = checked.block(transactions);
  auto b = unchecked.block(transactions);
  CHECK(a.state_hash == b.state_hash);
  CHECK(a.transaction_hashes == b.transaction_hashes);
}

TEST_CASE("every transaction of a block has a result, junk included") {
  Fixture fixture;
  auto block = fixture.block(
      {"junk", fixture.farm("ann", "green", 1), fixture.farm("eve", "black", 1), "", fixture.farm("ann", "green", 2)});
  REQUIRE(block.results.size() == 5);
  CHECK(block.results[0].code == Code::Invalid);
  CHECK(block.results[1].ok);
  CHECK(block.results[2].code == Code::Denied);
  CHECK_FALSE(block.results[3].ok);
  CHECK(block.results[4].code == Code::AlreadyExists);
}

TEST_CASE("answers are proven against the state hash of their height") {
  Fixture fixture;
  auto block = fixture.block({fixture.farm("ann", "green", 1)});
  QueryAnswer answer = fixture.application->query({keys::farm("green"), keys::farm("blue")}).value();
  CHECK(answer.height == 1);
  CHECK(answer.state_hash == block.state_hash);
  for (const StateEntry& entry : answer.entries) {
    CHECK(tree::verify_proof(answer.state_hash, entry.key, entry.value, entry.proof).has_value());
  }
  CHECK(answer.entries[0].value.has_value());
  CHECK_FALSE(answer.entries[1].value.has_value());
  CHECK(fixture.application->query(std::vector<Bytes>(257, "k")).error().code == Code::Exhausted);
}

TEST_CASE("a list is read page by page at one height while blocks go on") {
  Fixture fixture;
  std::vector<Bytes> transactions;
  for (uint64_t i = 1; i <= 30; ++i) transactions.push_back(fixture.farm("ann", "f" + std::to_string(100 + i), i));
  fixture.block(transactions);
  QueryAnswer first = fixture.application->list({.prefix = "farm/", .limit = 12}).value();
  CHECK(first.more);
  fixture.block({fixture.farm("bob", "a-new-one", 1)});
  QueryAnswer second =
      fixture.application->list({.prefix = "farm/", .after = first.entries.back().key, .limit = 12, .height = 1})
          .value();
  QueryAnswer third =
      fixture.application->list({.prefix = "farm/", .after = second.entries.back().key, .limit = 12, .height = 1})
          .value();
  CHECK(first.entries.size() + second.entries.size() + third.entries.size() == 30);
  CHECK_FALSE(third.more);
  CHECK(third.state_hash == first.state_hash);
  CHECK(fixture.application->list({.prefix = "farm/", .height = 99}).error().code == Code::NotFound);
}

TEST_CASE("an answer is bounded in bytes: a list in pages, a query with a refusal") {
  Fixture fixture;
  StateChanges large;
  large.height = 1;
  const Bytes value(3 << 20, 'x');
  for (char letter = 'a'; letter < 'e'; ++letter) large.values[Bytes("large/") + letter] = value;
  tree::NodeChanges nodes(fixture.store->nodes());
  large.state_hash = tree::update(nodes, large.values).value();
  large.nodes = nodes.take_changes();
  REQUIRE(fixture.store->commit(std::move(large)).has_value());
  auto application = make_application(*fixture.store, fixture.clock, "test");
  QueryAnswer page = application->list({.prefix = "large/"}).value();
  CHECK(page.entries.size() == 2);
  CHECK(page.more);
  page = application->list({.prefix = "large/", .after = page.entries.back().key}).value();
  CHECK(page.entries.size() == 2);
  CHECK_FALSE(page.more);
  CHECK(application->query(std::vector<Bytes>(10, "large/a")).has_value());
  CHECK(application->query(std::vector<Bytes>(11, "large/a")).error().code == Code::Exhausted);
}

TEST_CASE("a snapshot restores to the same hash in an empty state only") {
  Fixture fixture;
  auto block = fixture.block({fixture.farm("ann", "green", 1)});
  std::string path = fixture.folder / "snapshot";
  REQUIRE(fixture.application->snapshot(path).has_value());

  Fixture empty(false);
  CHECK_FALSE(empty.application->committed_height().has_value());
  REQUIRE(empty.application->restore(path).has_value());
  CHECK(empty.application->committed_height() == 1);
  CHECK(empty.store->view()->state_hash() == block.state_hash);
  CHECK(empty.application->restore(path).error().code == Code::AlreadyExists);

  // And it goes on like the one it was taken from.
  empty.height = 1;
  CHECK(empty.block({fixture.farm("ann", "blue", 2)}).state_hash ==
        fixture.block({fixture.farm("ann", "blue", 2)}).state_hash);

  Bytes bytes = *io::read_file(path);
  bytes[8 + 8] = static_cast<char>(bytes[8 + 8] ^ 1);  // in the state hash
  REQUIRE(io::write_file(path, bytes, io::Durability::None).has_value());
  Fixture another(false);
  CHECK(another.application->restore(path).error().code == Code::Corrupt);
  CHECK_FALSE(another.application->committed_height().has_value());
}

TEST_CASE("committing nothing is refused, and a finalized block that is not committed changes nothing") {
  Fixture fixture;
  CHECK_FALSE(fixture.application->commit().has_value());
  Hash before = fixture.store->view()->state_hash();
  REQUIRE(fixture.application->finalize_block(1, kTestStartMs + 1, {fixture.farm("ann", "green", 1)}).has_value());
  CHECK(fixture.store->view()->state_hash() == before);
  CHECK(fixture.application->committed_height() == 0);
}
