#include "bot/audit.h"

#include <doctest/doctest.h>

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/application.h"
#include "ledger/client/verify.h"
#include "wallet/transactions.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::bot;

namespace {

crypto::SigningKey key_of(char letter) { return crypto::SigningKey::from_seed(Bytes(32, letter)).value(); }

struct Made {
  FetchedBlock fetched;
  pb::BlockHeader header;
};

// A block of farms, with these results; only what events_of() looks at.
Made block_of(const std::vector<ledger::TransactionResult>& results) {
  Made made;
  Bytes hashes;
  for (size_t i = 0; i < results.size(); i++) {
    Bytes transaction =
        wallet::sign_transaction(key_of('a'), "test-1", i + 1, wallet::create_farm("f" + std::to_string(i), "CH"));
    hashes += crypto::blake2b(transaction).view();
    made.fetched.block.add_transactions(transaction);
    made.fetched.results += static_cast<char>(ledger::result_byte(results[i]));
  }
  made.header.set_transactions_hash(ledger::hash_of_transactions(hashes).bytes());
  made.header.set_results_hash(ledger::hash_of_results(made.fetched.results).bytes());
  made.header.set_height(9);
  return made;
}

}  // namespace

TEST_CASE("an event says whether it was executed, or why it was refused") {
  std::vector<ledger::TransactionResult> results(40, {.ok = true});
  for (size_t i = 0; i < results.size(); i += 3)
    results[i] = {.ok = false, .code = i % 2 == 0 ? Code::Denied : Code::AlreadyExists};
  Made made = block_of(results);
  std::vector<AuditEvent> events = events_of(made.fetched, made.header).value();
  REQUIRE_EQ(events.size(), 40);
  for (size_t i = 0; i < events.size(); i++) {
    CHECK_EQ(events[i].refused, !results[i].ok);
    CHECK_EQ(events[i].refusal, results[i].ok ? "" : code_name(results[i].code));
  }
  CHECK_EQ(events[7].what, "create-farm");
  CHECK_EQ(events[7].subject, "f7");
  CHECK_EQ(events[7].who, key_of('a').public_key());
}

TEST_CASE("a server that lies about a block's transactions or results is caught") {
  Made good = block_of({{.ok = true}, {.ok = false, .code = Code::Denied}, {.ok = true}});
  CHECK(events_of(good.fetched, good.header).has_value());
  Made executed = good, fewer = good, more = good, other = good, cut = good;
  executed.fetched.results[1] = 0;
  fewer.fetched.results.pop_back();
  more.fetched.results += '\0';
  other.fetched.block.set_transactions(0, other.fetched.block.transactions(2));
  cut.fetched.block.mutable_transactions()->RemoveLast();
  for (const Made& lie : {executed, fewer, more, other, cut})
    CHECK_EQ(events_of(lie.fetched, lie.header).error().code, Code::Denied);
}

TEST_CASE("what does not decode names nobody and is left out") {
  Made made = block_of({{.ok = true}});
  Bytes hashes = crypto::blake2b(made.fetched.block.transactions(0)).bytes() + crypto::blake2b("garbage").bytes();
  made.fetched.block.add_transactions("garbage");
  made.fetched.results += static_cast<char>(ledger::result_byte({.ok = false, .code = Code::Invalid}));
  made.header.set_transactions_hash(ledger::hash_of_transactions(hashes).bytes());
  made.header.set_results_hash(ledger::hash_of_results(made.fetched.results).bytes());
  std::vector<AuditEvent> events = events_of(made.fetched, made.header).value();
  REQUIRE_EQ(events.size(), 1);
  CHECK_FALSE(events[0].refused);
}

TEST_CASE("what was set, joined with and revoked is told") {
  pb::Parameters parameters;
  parameters.set_fence_after_ms(8000);
  pb::SignedJoinToken token = wallet::join_token(key_of('a'), "test-1", "barn", 99);
  auto inner = wire::decode<pb::JoinToken>(token.token(), "token").value();
  Made made;
  Bytes hashes;
  for (const pb::Transaction& action :
       {wallet::set_parameters(parameters), wallet::revoke_token(inner), wallet::admit_node(token, "n1", {}, {}, {})}) {
    made.fetched.block.add_transactions(wallet::sign_transaction(key_of('a'), "test-1", 1, action));
    hashes += crypto::blake2b(*made.fetched.block.transactions().rbegin()).view();
    made.fetched.results += '\0';
  }
  made.header.set_transactions_hash(ledger::hash_of_transactions(hashes).bytes());
  made.header.set_results_hash(ledger::hash_of_results(made.fetched.results).bytes());
  std::vector<AuditEvent> events = events_of(made.fetched, made.header).value();
  REQUIRE_EQ(events.size(), 3);
  std::string id = "token " + to_hex(inner.nonce()).substr(0, 8);
  CHECK_NE(events[0].detail.find("fence_after=8s"), std::string::npos);
  CHECK_EQ(events[1].detail, id);
  CHECK_EQ(events[2].detail, id);
}
