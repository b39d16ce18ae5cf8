#include "wallet/statement.h"

#include <doctest/doctest.h>

#include "contract/header.h"
#include "mcloud/contract.pb.h"
#include "wallet/carried.h"
#include "wallet/transactions.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::wallet;

namespace {

crypto::SigningKey key_of(char letter) { return crypto::SigningKey::from_seed(Bytes(32, letter)).value(); }

// The smallest valid header: an address space, approved by `b`.
pb::ContractHeader header() {
  pb::ContractHeader header;
  header.set_format(1);
  header.set_name("hello");
  header.set_owner(key_of('o').public_key().bytes());
  header.set_nonce(Bytes(16, 'n'));
  header.set_version(3);
  header.set_body_hash(Bytes(32, 'h'));
  header.set_expires_ms(77);
  header.mutable_approvals()->set_threshold(1);
  pb::Signer& signer = *header.mutable_approvals()->add_signers();
  signer.set_key(key_of('b').public_key().bytes());
  signer.set_role("it");
  signer.set_weight(1);
  pb::Facets& facets = *header.add_workloads();
  facets.set_name("net");
  facets.set_kind("network");
  facets.mutable_demand();
  facets.mutable_placement()->set_spread(pb::SPREAD_PREFER);
  facets.set_on_node_loss(pb::NODE_LOSS_MOVE);
  facets.set_on_isolation(pb::ISOLATION_RUN);
  facets.set_on_mass_loss(pb::MASS_LOSS_HOLD);
  facets.mutable_update()->set_max_unavailable(1);
  pb::AddressSpace& space = *header.add_spaces();
  space.set_name("net");
  space.set_range("10.7.0.0/16");
  return header;
}

Statement statement(pb::Decision decision = pb::DECISION_APPROVE) {
  Result<Statement> made = Statement::about("test-1", wire::encode(header()), decision);
  REQUIRE_MESSAGE(made.has_value(), made.error().message);
  return *made;
}

CarriedDecision carried(pb::Decision decision = pb::DECISION_APPROVE) {
  return {statement(decision), key_of('b').public_key(), 7, {}};
}

}  // namespace

TEST_CASE("a decision travels, is signed off-line and comes back as its signer's transaction") {
  CarriedDecision there = CarriedDecision::parse(carried().to_json()).value();
  CHECK_FALSE(there.is_signed());
  REQUIRE(there.sign(key_of('b')).has_value());
  CarriedDecision back = CarriedDecision::parse(there.to_json()).value();
  CHECK(back.is_signed());
  CHECK_EQ(back.to_json(), there.to_json());
  auto outer = wire::decode<pb::SignedTransaction>(back.transaction, "signed transaction").value();
  auto inner = wire::decode<pb::Transaction>(outer.transaction(), "transaction").value();
  CHECK_EQ(inner.sequence(), 7);
  CHECK(inner.has_approve());
}

TEST_CASE("a signed decision becomes the transaction of its kind") {
  for (pb::Decision decision : {pb::DECISION_APPROVE, pb::DECISION_REJECT, pb::DECISION_ACCEPT}) {
    Statement made = statement(decision);
    made.reason = "too dear";
    REQUIRE(made.sign(key_of('b')).has_value());
    pb::Transaction transaction = decide(made);
    CHECK_EQ(transaction.has_approve(), decision == pb::DECISION_APPROVE);
    CHECK_EQ(transaction.has_accept(), decision == pb::DECISION_ACCEPT);
    CHECK_EQ(transaction.reject().reason(), decision == pb::DECISION_REJECT ? "too dear" : "");
  }
}

TEST_CASE("who is not asked cannot sign") {
  Statement made = statement();
  CHECK_EQ(made.sign(key_of('x')).error().code, Code::Denied);
  CHECK_FALSE(made.is_signed());
}

TEST_CASE("a file that says something else than its header is refused") {
  std::string text = carried().to_json();
  for (auto [from, to] :
       {std::pair{"\"version\": 3", "\"version\": 4"}, {"\"expires_ms\": 77", "\"expires_ms\": 78"}}) {
    std::string changed = text;
    changed.replace(changed.find(from), std::string_view(from).size(), to);
    CHECK_EQ(CarriedDecision::parse(changed).error().code, Code::Corrupt);
  }
}

TEST_CASE("a transaction over another decision, chain, reason or sequence is refused on import") {
  CarriedDecision made = carried(pb::DECISION_REJECT);
  made.statement.reason = "too dear";
  REQUIRE(made.sign(key_of('b')).has_value());
  REQUIRE(CarriedDecision::parse(made.to_json()).has_value());
  for (int what = 0; what < 5; what++) {
    CarriedDecision changed = made;
    if (what == 0) changed.statement.decision = pb::DECISION_APPROVE;
    if (what == 1) changed.statement.subject.chain_id = "test-2";
    if (what == 2) changed.statement.reason = "too cheap";
    if (what == 3) changed.sequence++;
    if (what == 4) changed.transaction.back() = static_cast<char>(changed.transaction.back() ^ 1);
    CHECK_EQ(CarriedDecision::parse(changed.to_json()).error().code, Code::Denied);
  }
}

TEST_CASE("a file for one key is not signed with another") {
  CarriedDecision made = carried();
  CHECK_EQ(made.sign(key_of('o')).error().code, Code::Denied);
  made.signer = key_of('o').public_key();
  CHECK_EQ(CarriedDecision::parse(made.to_json()).error().code, Code::Denied);
}

TEST_CASE("what is no statement file is refused") {
  for (const char* text : {"", "{}", "[]", "{\"format\":2}", "{\"format\":1,\"more\":1}"}) {
    CHECK_EQ(CarriedDecision::parse(text).error().code, Code::Invalid);
  }
  CHECK_FALSE(Statement::about("test-1", "no header", pb::DECISION_APPROVE).has_value());
}
