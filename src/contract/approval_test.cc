#include "contract/approval.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

namespace {

constexpr std::string_view kThree = R"(name: three
approvals:
  threshold: 2
  acceptance: 1
  signers: [{who: ida, role: it}, {who: lena, role: legal, required: true}, {who: bob, role: business}]
workloads: {web: {kind: container, image: "oci:./image"}}
)";

struct Vote {
  const char* who;
  pb::Decision decision;
};

Decisions votes(std::initializer_list<Vote> list) {
  Decisions out;
  for (const Vote& vote : list) {
    pb::RecordedDecision& recorded = *out.Add();
    recorded.set_signer(key_named(vote.who).public_key().bytes());
    recorded.set_decision(vote.decision);
  }
  return out;
}

constexpr auto kYes = pb::DECISION_APPROVE;
constexpr auto kNo = pb::DECISION_REJECT;
constexpr auto kAccept = pb::DECISION_ACCEPT;

}  // namespace

TEST_CASE("a contract is approved by threshold and every required signer") {
  pb::ContractHeader header = compiled(kThree).header;
  CHECK_FALSE(tally_approval(header, votes({})).reached);
  CHECK_FALSE(tally_approval(header, votes({{"ida", kYes}})).reached);
  CHECK_FALSE(tally_approval(header, votes({{"lena", kYes}})).reached);
  CHECK(tally_approval(header, votes({{"ida", kYes}, {"lena", kYes}})).reached);
  CHECK(tally_approval(header, votes({{"lena", kYes}, {"bob", kYes}})).reached);
  ApprovalTally without_lena = tally_approval(header, votes({{"ida", kYes}, {"bob", kYes}}));
  CHECK_EQ(without_lena.weight, 2u);
  CHECK_FALSE(without_lena.reached);
  CHECK_FALSE(without_lena.impossible);
  CHECK_EQ(without_lena.missing_required, std::vector{key_named("lena").public_key()});
}

TEST_CASE("signing twice counts once and strangers count nothing") {
  pb::ContractHeader header = compiled(kThree).header;
  CHECK_EQ(tally_approval(header, votes({{"lena", kYes}, {"lena", kYes}})).weight, 1u);
  CHECK_EQ(tally_approval(header, votes({{"mallory", kYes}, {"owner", kYes}})).weight, 0u);
}

TEST_CASE("the last word of a signer counts") {
  pb::ContractHeader header = compiled(kThree).header;
  CHECK_FALSE(tally_approval(header, votes({{"lena", kYes}, {"ida", kYes}, {"ida", kNo}})).reached);
  CHECK(tally_approval(header, votes({{"ida", kNo}, {"lena", kYes}, {"ida", kYes}})).reached);
}

TEST_CASE("a contract is rejected when approval is out of reach") {
  pb::ContractHeader header = compiled(kThree).header;
  CHECK(tally_approval(header, votes({{"lena", kNo}})).impossible);
  CHECK_FALSE(tally_approval(header, votes({{"ida", kNo}})).impossible);
  CHECK(tally_approval(header, votes({{"ida", kNo}, {"bob", kNo}})).impossible);
}

TEST_CASE("acceptance counts its own signatures by weight") {
  pb::ContractHeader header = compiled(kThree).header;
  CHECK_FALSE(tally_acceptance(header, votes({{"ida", kYes}, {"lena", kYes}})).reached);
  CHECK(tally_acceptance(header, votes({{"bob", kAccept}})).reached);
  CHECK_EQ(tally_approval(header, votes({{"bob", kAccept}})).weight, 0u);
  header.mutable_approvals()->set_acceptance_threshold(0);
  CHECK(tally_acceptance(header, votes({})).reached);
}

TEST_CASE("who has not decided is missing") {
  pb::ContractHeader header = compiled(kThree).header;
  ApprovalTally tally = tally_approval(header, votes({{"ida", kYes}, {"bob", kNo}}));
  CHECK_EQ(tally.missing, std::vector{key_named("lena").public_key()});
  CHECK_EQ(tally.approved_by, std::vector{key_named("ida").public_key()});
  CHECK_EQ(tally.rejected_by, std::vector{key_named("bob").public_key()});
}

TEST_CASE("a signature is valid for one chain, contract, version, expiry, header and decision only") {
  Compiled made = compiled(kThree);
  ApprovalSubject subject = approval_subject("test-chain", made.header, made.header_bytes);
  crypto::SigningKey ida = key_named("ida");
  crypto::Signature signature = sign_decision(ida, subject, kYes);
  CHECK(verify_decision(subject, kYes, ida.public_key(), signature));
  CHECK_FALSE(verify_decision(subject, kNo, ida.public_key(), signature));
  CHECK_FALSE(verify_decision(subject, kYes, key_named("bob").public_key(), signature));
  ApprovalSubject other = subject;
  other.chain_id = "other";
  CHECK_FALSE(verify_decision(other, kYes, ida.public_key(), signature));
  other = subject;
  other.version = 2;
  CHECK_FALSE(verify_decision(other, kYes, ida.public_key(), signature));
  other = subject;
  other.expires_ms += 1;
  CHECK_FALSE(verify_decision(other, kYes, ida.public_key(), signature));
  other = subject;
  other.header_hash = crypto::blake2b("x");
  CHECK_FALSE(verify_decision(other, kYes, ida.public_key(), signature));
  other = subject;
  other.contract = ContractId();
  CHECK_FALSE(verify_decision(other, kYes, ida.public_key(), signature));
}

TEST_CASE("recorded decisions are verified one by one") {
  Compiled made = compiled(kThree);
  ApprovalSubject subject = approval_subject("test-chain", made.header, made.header_bytes);
  Decisions decisions = votes({{"ida", kYes}, {"lena", kYes}});
  for (pb::RecordedDecision& recorded : decisions) {
    const char* who = recorded.signer() == key_named("ida").public_key().view() ? "ida" : "lena";
    recorded.set_signature(sign_decision(key_named(who), subject, kYes));
  }
  CHECK(verify_decisions(made.header, subject, decisions).has_value());

  Decisions changed = decisions;
  changed[0].set_decision(kNo);
  CHECK_EQ(verify_decisions(made.header, subject, changed).error().code, Code::Denied);
  changed = decisions;
  std::swap(*changed[0].mutable_signature(), *changed[1].mutable_signature());
  CHECK_FALSE(verify_decisions(made.header, subject, changed).has_value());
  changed = votes({{"mallory", kYes}});
  changed[0].set_signature(sign_decision(key_named("mallory"), subject, kYes));
  CHECK_FALSE(verify_decisions(made.header, subject, changed).has_value());
  changed = votes({{"ida", pb::DECISION_UNSET}});
  changed[0].set_signature(sign_decision(key_named("ida"), subject, pb::DECISION_UNSET));
  CHECK_FALSE(verify_decisions(made.header, subject, changed).has_value());
}
