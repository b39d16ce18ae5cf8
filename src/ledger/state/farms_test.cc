#include <doctest/doctest.h>

#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

TransactionResult register_identity(TestChain& chain, std::string_view sponsor, std::string_view name,
                                    const crypto::Signature& proof) {
  return chain.run(sponsor, [&](pb::Transaction& transaction) {
    pb::RegisterIdentity& action = *transaction.mutable_register_identity();
    action.set_key(test_key(name).public_key().bytes());
    action.set_name(Bytes(name));
    action.set_proof(proof);
  });
}

crypto::Signature proof_of(std::string_view name, std::string_view sponsor, std::string_view chain_id = "test") {
  return prove_identity(test_key(name), chain_id, test_key(sponsor).public_key(), name);
}

TransactionResult admit_with(TestChain& chain, std::string_view node, const pb::SignedJoinToken& token) {
  return chain.admit("ann", "farm", node, [&](pb::AdmitNode& admission) { *admission.mutable_token() = token; });
}

}  // namespace

TEST_CASE("a member vouches for a new identity, which can act from then on") {
  TestChain chain;
  CHECK_EQ(chain.create_farm("eve", "eves").code, Code::Denied);
  CHECK(register_identity(chain, "ann", "eve", proof_of("eve", "ann")).ok);
  auto identity = load<pb::Identity>(chain.state(), keys::identity(test_key("eve").public_key()));
  REQUIRE(identity);
  CHECK_EQ(identity->sponsor(), test_key("ann").public_key().bytes());
  CHECK(chain.create_farm("eve", "eves").ok);
  CHECK_EQ(register_identity(chain, "ann", "eve", proof_of("eve", "ann")).code, Code::AlreadyExists);
}

TEST_CASE("an identity is refused without the new key's own proof for this sponsor and ledger") {
  TestChain chain;
  CHECK_EQ(register_identity(chain, "ann", "eve", proof_of("mallory", "ann")).code, Code::Denied);
  CHECK_EQ(register_identity(chain, "ann", "eve", proof_of("eve", "bob")).code, Code::Denied);
  CHECK_EQ(register_identity(chain, "ann", "eve", proof_of("eve", "ann", "other")).code, Code::Denied);
  CHECK_EQ(register_identity(chain, "ann", "eve", "").code, Code::Denied);
  CHECK_EQ(register_identity(chain, "stranger", "eve", proof_of("eve", "stranger")).code, Code::Denied);
}

TEST_CASE("names of identities and farms are unique and follow the rules") {
  TestChain chain;
  auto with_name = [&](const char* name) {
    return chain.run("ann", [&](pb::Transaction& transaction) {
      pb::RegisterIdentity& action = *transaction.mutable_register_identity();
      action.set_key(test_key("eve").public_key().bytes());
      action.set_name(name);
      action.set_proof(prove_identity(test_key("eve"), "test", test_key("ann").public_key(), name));
    });
  };
  for (const char* name : {"", "a", "Eve", "1eve", "e_ve", "a2345678901234567890123456789012x"}) {
    CHECK_EQ(with_name(name).code, Code::Invalid);
  }
  CHECK_EQ(with_name("bob").code, Code::AlreadyExists);
  CHECK(with_name("eve").ok);
  CHECK(chain.create_farm("ann", "farm").ok);
  CHECK_EQ(chain.create_farm("bob", "farm").code, Code::AlreadyExists);
  CHECK_EQ(chain.create_farm("bob", "Farm").code, Code::Invalid);
  CHECK_EQ(chain.create_farm("bob", "other", "Belgium").code, Code::Invalid);
}

TEST_CASE("a node joins with a token of the farm's owner") {
  TestChain chain;
  chain.create_farm("ann", "farm", "CH");
  CHECK(chain.admit("ann", "farm", "n1").ok);
  pb::Node node = chain.node("n1");
  CHECK_EQ(node.farm(), "farm");
  CHECK_EQ(node.country(), "CH");
  CHECK_EQ(node.state(), pb::NODE_ONLINE);
  CHECK_EQ(node.epoch(), 1);
  CHECK_EQ(chain.assignment("n1").node_epoch(), 1);
  CHECK_EQ(load<pb::Farm>(chain.state(), keys::farm("farm"))->nodes_size(), 1);
  CHECK_EQ(chain.admit("ann", "farm", "n1").code, Code::AlreadyExists);
}

TEST_CASE("a join token admits one node, before it expires, to its farm and ledger, when its owner signed it") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  chain.create_farm("bob", "bobs");
  pb::JoinToken token = chain.make_token("farm", "one");
  pb::SignedJoinToken good = sign_join_token(token, test_key("ann"));

  SUBCASE("used twice") {
    CHECK(admit_with(chain, "n1", good).ok);
    CHECK_EQ(admit_with(chain, "n2", good).code, Code::Denied);
    CHECK_EQ(chain.node("n2").name(), "");
  }
  SUBCASE("expired") {
    chain.pass(3'600'000);
    CHECK_EQ(admit_with(chain, "n1", good).code, Code::Denied);
  }
  SUBCASE("valid for longer than nonces are remembered") {
    token.set_expires_ms(chain.now() + 367ull * 86'400'000);
    CHECK_EQ(admit_with(chain, "n1", sign_join_token(token, test_key("ann"))).code, Code::Invalid);
  }
  SUBCASE("of another ledger") {
    token.set_chain_id("other");
    CHECK_EQ(admit_with(chain, "n1", sign_join_token(token, test_key("ann"))).code, Code::Denied);
  }
  SUBCASE("signed by who does not own the farm") {
    CHECK_EQ(admit_with(chain, "n1", sign_join_token(token, test_key("bob"))).code, Code::Denied);
    good.set_signer(test_key("bob").public_key().bytes());
    CHECK_EQ(admit_with(chain, "n1", good).code, Code::Denied);
    pb::SignedJoinToken forged = sign_join_token(token, test_key("bob"));
    forged.set_signer(test_key("ann").public_key().bytes());
    CHECK_EQ(admit_with(chain, "n1", forged).code, Code::Denied);
  }
  SUBCASE("changed after it was signed") {
    token.set_farm("bobs");
    good.set_token(wire::encode(token));
    CHECK_EQ(admit_with(chain, "n1", good).code, Code::Denied);
  }
  SUBCASE("for a farm that is not there") {
    token.set_farm("nowhere");
    CHECK_EQ(admit_with(chain, "n1", sign_join_token(token, test_key("ann"))).code, Code::NotFound);
  }
  SUBCASE("with a short nonce or garbage in place of a token") {
    token.set_nonce("short");
    CHECK_EQ(admit_with(chain, "n1", sign_join_token(token, test_key("ann"))).code, Code::Invalid);
    good.set_token("garbage");
    CHECK_EQ(admit_with(chain, "n1", good).code, Code::Invalid);
  }
}

TEST_CASE("a refused admission keeps the token good") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  pb::SignedJoinToken token = sign_join_token(chain.make_token("farm", "one"), test_key("ann"));
  auto refused = [&](const std::function<void(pb::AdmitNode&)>& change) {
    return chain.admit("ann", "farm", "n1", [&](pb::AdmitNode& admission) {
      *admission.mutable_token() = token;
      change(admission);
    });
  };
  CHECK_EQ(refused([](pb::AdmitNode& admission) { admission.set_name("N 1"); }).code, Code::Invalid);
  CHECK_EQ(refused([](pb::AdmitNode& admission) { admission.clear_capacity(); }).code, Code::Invalid);
  CHECK_EQ(refused([](pb::AdmitNode& admission) { admission.mutable_addresses()->set_backplane("1.2.3"); }).code,
           Code::Invalid);
  CHECK_EQ(refused([](pb::AdmitNode& admission) { admission.mutable_addresses()->set_uplink("01.2.3.4"); }).code,
           Code::Invalid);
  CHECK_EQ(refused([](pb::AdmitNode& admission) {
             for (const char* key : {"b", "a"}) {
               pb::Label* label = admission.add_labels();
               label->set_key(key);
               label->set_value("x");
             }
           }).code,
           Code::Invalid);
  CHECK(admit_with(chain, "n1", token).ok);
}

TEST_CASE("a revoked token admits nobody; only the farm's owner revokes, and only tokens of that farm") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  chain.create_farm("bob", "bobs");
  pb::JoinToken token = chain.make_token("farm", "one");
  auto revoke = [&](const char* sender, const char* farm) {
    return chain.run(sender, [&](pb::Transaction& transaction) {
      transaction.mutable_revoke_token()->set_nonce(token.nonce());
      transaction.mutable_revoke_token()->set_expires_ms(token.expires_ms());
      transaction.mutable_revoke_token()->set_farm(farm);
    });
  };
  CHECK_EQ(revoke("bob", "farm").code, Code::Denied);
  CHECK_EQ(revoke("bob", "nowhere").code, Code::NotFound);
  CHECK(revoke("bob", "bobs").ok);  // the same nonce, another farm: no harm to ann's
  CHECK(revoke("ann", "farm").ok);
  CHECK_EQ(revoke("ann", "farm").code, Code::AlreadyExists);
  CHECK_EQ(admit_with(chain, "n1", sign_join_token(token, test_key("ann"))).code, Code::Denied);
}

TEST_CASE("used tokens are forgotten once they would be expired anyway") {
  TestChain chain;
  chain.make_farm(3);
  auto count = [&] {
    int tokens = 0;
    for (const char* prefix : {"token/", "token-expiry/"}) {
      chain.state().each(prefix, [&](BytesView, BytesView) { return ++tokens > 0; });
    }
    return tokens;
  };
  CHECK_EQ(count(), 6);
  chain.pass(3'700'000);
  CHECK_EQ(count(), 0);
}

TEST_CASE("people and nodes do not share a key, nodes of a farm do not share a name") {
  TestChain chain;
  chain.make_farm(1);
  CHECK_EQ(chain.admit("ann", "farm", "bob").code, Code::Conflict);
  CHECK_EQ(register_identity(chain, "ann", "n1", proof_of("n1", "ann")).code, Code::Conflict);
  CHECK_EQ(chain.admit("ann", "farm", "n2", [](pb::AdmitNode& admission) { admission.set_name("n1"); }).code,
           Code::AlreadyExists);
  chain.create_farm("ann", "second");
  CHECK(chain.admit("ann", "second", "n3", [](pb::AdmitNode& admission) { admission.set_name("n1"); }).ok);
}
