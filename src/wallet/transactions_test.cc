#include "wallet/transactions.h"

#include <doctest/doctest.h>

#include "contract/approval.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::wallet;

namespace {

crypto::SigningKey key_of(char letter) { return crypto::SigningKey::from_seed(Bytes(32, letter)).value(); }

}  // namespace

TEST_CASE("a transaction carries chain, sender and sequence under its sender's signature") {
  Bytes bytes = sign_transaction(key_of('a'), "test-1", 7, create_farm("barn", "CH"));
  auto outer = wire::decode<pb::SignedTransaction>(bytes, "signed transaction").value();
  auto inner = wire::decode<pb::Transaction>(outer.transaction(), "transaction").value();
  CHECK_EQ(inner.chain_id(), "test-1");
  CHECK_EQ(inner.sequence(), 7);
  CHECK_EQ(inner.create_farm().country(), "CH");
  CHECK(crypto::verify(key_of('a').public_key(), kTransactionDomain, outer.transaction(), outer.signature()));
  CHECK_FALSE(
      crypto::verify(key_of('a').public_key(), contract::kApprovalDomain, outer.transaction(), outer.signature()));
}

TEST_CASE("what the protocol wants sorted is sorted") {
  NodeId low = NodeId::from_bytes(Bytes(32, 1)).value(), high = NodeId::from_bytes(Bytes(32, 2)).value();
  pb::Transaction submit = submit_contract("header", {Bytes(32, 'h'), {high, low}});
  CHECK_EQ(submit.submit_contract().keyring_nodes(0), low.bytes());
  pb::Label ssd, cpu;
  ssd.set_key("ssd");
  cpu.set_key("cpu");
  pb::Transaction admit = admit_node({}, "n1", {}, {ssd, cpu}, {});
  CHECK_EQ(admit.admit_node().labels(0).key(), "cpu");
}

TEST_CASE("a join token names its chain and farm and is its owner's") {
  pb::SignedJoinToken first = join_token(key_of('f'), "test-1", "barn", 99);
  pb::SignedJoinToken second = join_token(key_of('f'), "test-1", "barn", 99);
  CHECK_NE(first.token(), second.token());
  CHECK(crypto::verify(key_of('f').public_key(), kJoinTokenDomain, first.token(), first.signature()));
  auto token = wire::decode<pb::JoinToken>(first.token(), "token").value();
  CHECK_EQ(token.nonce().size(), 16);
  CHECK_EQ(revoke_token(token).revoke_token().nonce(), token.nonce());
}
