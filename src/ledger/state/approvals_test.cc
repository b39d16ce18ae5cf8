#include <doctest/doctest.h>

#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

struct TwoOfThree {
  TestChain chain;
  pb::ContractHeader header;

  TwoOfThree() {
    chain.make_farm(1);
    header = chain.make_header("web", {test_facets("web", 1)});
    TestChain::set_signers(header, {"bob", "cyd", "dan"}, 2);
  }
  pb::ContractState proposed() const { return chain.contract(header).proposed().state(); }
  bool is_active() const { return chain.contract(header).current().state() == pb::CONTRACT_ACTIVE; }
};

}  // namespace

TEST_CASE("two of three approvals let a contract run, one does not") {
  TwoOfThree test;
  test.chain.submit(test.header);
  CHECK(test.chain.approve(test.header, "bob").ok);
  CHECK_FALSE(test.is_active());
  CHECK_EQ(test.chain.place_of(test.header, "web", 0), "");
  CHECK(test.chain.approve(test.header, "dan").ok);
  CHECK(test.is_active());
  CHECK_EQ(test.chain.place_of(test.header, "web", 0), "n1");
  CHECK_EQ(test.chain.contract(test.header).current().decisions_size(), 2);
  CHECK_EQ(test.chain.approve(test.header, "cyd").code, Code::Conflict);  // it waits for nobody any more
}

TEST_CASE("a signer decides once, and only signers decide") {
  TwoOfThree test;
  test.chain.submit(test.header);
  CHECK(test.chain.approve(test.header, "bob").ok);
  CHECK_EQ(test.chain.approve(test.header, "bob").code, Code::AlreadyExists);
  CHECK_EQ(test.chain.reject(test.header, "bob").code, Code::AlreadyExists);
  CHECK_EQ(test.chain.approve(test.header, "ann").code, Code::Denied);  // the owner is no signer here
  CHECK_EQ(test.chain.approve(test.header, "stranger").code, Code::Denied);
  CHECK_FALSE(test.is_active());
}

TEST_CASE("an owner who is a signer still approves explicitly") {
  TwoOfThree test;
  TestChain::set_signers(test.header, {"ann"}, 1);
  test.chain.submit(test.header);
  CHECK_FALSE(test.is_active());
  CHECK(test.chain.approve(test.header, "ann").ok);
  CHECK(test.is_active());
}

TEST_CASE("an approval counts for exactly what was signed") {
  TwoOfThree test;
  test.chain.submit(test.header);
  auto send = [&](const pb::Approve& action) {
    return test.chain.run("bob", [&](pb::Transaction& transaction) { *transaction.mutable_approve() = action; }).code;
  };
  const auto good = test.chain.make_decision<pb::Approve>(test.header, "bob", pb::DECISION_APPROVE);

  pb::Approve bad = good;
  bad.set_signature(test.chain.make_decision<pb::Approve>(test.header, "cyd", pb::DECISION_APPROVE).signature());
  CHECK_EQ(send(bad), Code::Denied);
  bad.set_signature(test.chain.make_decision<pb::Approve>(test.header, "bob", pb::DECISION_REJECT).signature());
  CHECK_EQ(send(bad), Code::Denied);
  bad.set_signature(Bytes(64, '\0'));
  CHECK_EQ(send(bad), Code::Denied);
  bad = good;
  bad.set_version(2);
  CHECK_EQ(send(bad), Code::Conflict);
  bad = good;
  bad.set_header_hash(Bytes(32, 'x'));
  CHECK_EQ(send(bad), Code::Conflict);
  bad = good;
  bad.set_contract(Bytes(32, 'x'));
  CHECK_EQ(send(bad), Code::NotFound);
  bad.set_contract("short");
  CHECK_EQ(send(bad), Code::NotFound);

  TestChain elsewhere("other");
  bad = good;
  bad.set_signature(elsewhere.make_decision<pb::Approve>(test.header, "bob", pb::DECISION_APPROVE).signature());
  CHECK_EQ(send(bad), Code::Denied);
  // Each field of the header that was not the one signed.
  pb::ContractHeader other = test.header;
  other.set_expires_ms(other.expires_ms() + 1);
  bad.set_signature(test.chain.make_decision<pb::Approve>(other, "bob", pb::DECISION_APPROVE).signature());
  CHECK_EQ(send(bad), Code::Denied);
  CHECK_FALSE(test.is_active());
  send(good);
  CHECK_EQ(test.chain.contract(test.header).proposed().decisions_size(), 1);
}

TEST_CASE("weights add up and a required signer must be among the approvers") {
  TwoOfThree test;
  for (pb::Signer& signer : *test.header.mutable_approvals()->mutable_signers()) {
    bool is_bob = signer.key() == test_key("bob").public_key().bytes();
    signer.set_weight(is_bob ? 1 : 3);
    signer.set_required(is_bob);
  }
  test.header.mutable_approvals()->set_threshold(4);
  test.chain.submit(test.header);
  test.chain.approve(test.header, "cyd");
  test.chain.approve(test.header, "dan");
  CHECK_FALSE(test.is_active());
  SUBCASE("he approves") {
    test.chain.approve(test.header, "bob");
    CHECK(test.is_active());
  }
  SUBCASE("he rejects: that alone ends it") {
    test.chain.reject(test.header, "bob");
    CHECK_EQ(test.proposed(), pb::CONTRACT_REJECTED);
  }
}

TEST_CASE("a version is rejected when the threshold can no longer be reached") {
  TwoOfThree test;
  test.chain.submit(test.header);
  test.chain.reject(test.header, "bob");
  CHECK_EQ(test.proposed(), pb::CONTRACT_PENDING);
  test.chain.reject(test.header, "cyd");
  CHECK_EQ(test.proposed(), pb::CONTRACT_REJECTED);
  CHECK_EQ(test.chain.approve(test.header, "dan").code, Code::Conflict);
}

TEST_CASE("approvals that come too late are refused and the version expires") {
  TwoOfThree test;
  test.header.set_expires_ms(test.chain.now() + 10'000);
  test.chain.submit(test.header);
  test.chain.approve(test.header, "bob");
  uint64_t due = 0;
  CHECK(has_pending_time_work(test.chain.state(), due));
  CHECK_EQ(due, test.header.expires_ms());
  SUBCASE("in the very block whose time it is") {
    Bytes late = test.chain.sign("cyd", [&](pb::Transaction& transaction) {
      *transaction.mutable_approve() =
          test.chain.make_decision<pb::Approve>(test.header, "cyd", pb::DECISION_APPROVE);
    });
    CHECK_EQ(test.chain.block({late}, 8000)[0].code, Code::Denied);
  }
  SUBCASE("in a block after it") {
    test.chain.pass(8000);
    CHECK_EQ(test.chain.approve(test.header, "cyd").code, Code::Conflict);
  }
  CHECK_EQ(test.proposed(), pb::CONTRACT_EXPIRED);
  CHECK_FALSE(test.is_active());
  CHECK_FALSE(has_pending_time_work(test.chain.state(), due));
}

TEST_CASE("acceptance follows success: all replicas ready, by signers, once each") {
  TwoOfThree test;
  test.header.mutable_approvals()->set_acceptance_threshold(2);
  test.chain.submit(test.header);
  CHECK_EQ(test.chain.accept(test.header, "bob").code, Code::Conflict);  // nothing runs yet
  test.chain.approve(test.header, "bob");
  test.chain.approve(test.header, "cyd");
  CHECK_EQ(test.chain.accept(test.header, "bob").code, Code::Conflict);  // not ready
  CHECK(test.chain.report(test.header, "web", 0, pb::REPLICA_RUNNING).ok);
  CHECK_EQ(test.chain.accept(test.header, "ann").code, Code::Denied);
  CHECK(test.chain.accept(test.header, "bob").ok);
  CHECK_EQ(test.chain.accept(test.header, "bob").code, Code::AlreadyExists);
  CHECK_EQ(test.chain.contract(test.header).current().accepted_ms(), 0);
  CHECK(test.chain.accept(test.header, "dan").ok);
  CHECK_EQ(test.chain.contract(test.header).current().accepted_ms(), test.chain.now());
  CHECK_EQ(test.chain.accept(test.header, "cyd").code, Code::Conflict);
}

TEST_CASE("no acceptance is taken where none is asked for") {
  TwoOfThree test;
  test.chain.submit(test.header);
  test.chain.approve(test.header, "bob");
  test.chain.approve(test.header, "cyd");
  test.chain.report(test.header, "web", 0, pb::REPLICA_RUNNING);
  CHECK_EQ(test.chain.accept(test.header, "bob").code, Code::Conflict);
}
