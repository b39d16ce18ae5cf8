#include "bot/audit.h"

#include <doctest/doctest.h>

#include "crypto/sign.h"
#include "ledger/application.h"
#include "ledger/client/verify.h"
#include "wallet/transactions.h"

using namespace mcloud;
using namespace mcloud::bot;

namespace {

crypto::SigningKey key_of(char letter) { return crypto::SigningKey::from_seed(Bytes(32, letter)).value(); }

struct Made {
  pb::Block block;
  pb::BlockHeader header;
};

// A block of farms, with these results; only what events_of() looks at.
Made block_of(const std::vector<ledger::TransactionResult>& results) {
  Made made;
  Bytes bytes;
  for (size_t i = 0; i < results.size(); i++) {
    made.block.add_transactions(
        wallet::sign_transaction(key_of('a'), "test-1", i + 1, wallet::create_farm("f" + std::to_string(i), "CH")));
    bytes += static_cast<char>(ledger::result_byte(results[i]));
  }
  made.header.set_results_hash(ledger::hash_of_results(bytes).bytes());
  made.header.set_height(9);
  return made;
}

}  // namespace

TEST_CASE("which transactions of a block were refused follows from the signed hash of the results") {
  std::vector<ledger::TransactionResult> results(40, {.ok = true});
  results[7] = {.ok = false, .code = Code::Denied};
  results[31] = {.ok = false, .code = Code::AlreadyExists};
  Made made = block_of(results);
  std::vector<AuditEvent> events = events_of(made.block, made.header);
  REQUIRE_EQ(events.size(), 40);
  for (size_t i = 0; i < events.size(); i++) CHECK_EQ(events[i].refused, !results[i].ok);
  CHECK_EQ(events[7].refusal, "denied");
  CHECK_EQ(events[31].refusal, "already-exists");
  CHECK_EQ(events[7].what, "create-farm");
  CHECK_EQ(events[7].subject, "f7");
  CHECK_EQ(events[7].who, key_of('a').public_key());
}

TEST_CASE("with more refusals than can be guessed the outcome is said to be unknown") {
  std::vector<ledger::TransactionResult> results(40, {.ok = false, .code = Code::Denied});
  Made made = block_of(results);
  std::vector<AuditEvent> events = events_of(made.block, made.header);
  CHECK_FALSE(events[0].refused);
  CHECK_EQ(events[0].detail, "outcome unknown");
}

TEST_CASE("what does not decode names nobody and is left out") {
  Made made = block_of({{.ok = true}});
  made.block.add_transactions("garbage");
  Bytes bytes;
  bytes += static_cast<char>(0);
  bytes += static_cast<char>(ledger::result_byte({.ok = false, .code = Code::Invalid}));
  made.header.set_results_hash(ledger::hash_of_results(bytes).bytes());
  std::vector<AuditEvent> events = events_of(made.block, made.header);
  REQUIRE_EQ(events.size(), 1);
  CHECK_FALSE(events[0].refused);
}
