#include "node/evidence.h"

#include <doctest/doctest.h>

#include "node/sample_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kTwoSigners = R"(
name: signed
approvals:
  threshold: 2
  signers:
    - {who: owner, role: it}
    - {who: lena, role: legal, required: true}
workloads:
  app: {kind: container, image: "oci:./image", environment: {TOKEN: {secret: "value:hush"}}}
)";

Result<std::shared_ptr<const VerifiedContract>> check(const Sample& sample) {
  return verify_contract(kChain, sample.id, sample.record, sample.compiled.body_bytes);
}

std::string why(const Sample& sample) {
  auto verified = check(sample);
  return verified.has_value() ? "" : verified.error().message;
}

}  // namespace

TEST_CASE("what its signers approved is believed") {
  Sample sample = make(kTwoSigners);
  auto verified = check(sample);
  REQUIRE_MESSAGE(verified.has_value(), why(sample));
  CHECK((*verified)->id() == sample.id);
  CHECK((*verified)->owner() == kOwner.public_key());
  CHECK(contract::find_body((*verified)->body(), "app") != nullptr);
}

TEST_CASE("a missing, forged or borrowed approval is refused") {
  Sample sample = make(kTwoSigners);
  auto& decisions = *sample.record.mutable_current()->mutable_decisions();
  REQUIRE(decisions.size() == 2);

  Sample missing = sample;
  missing.record.mutable_current()->mutable_decisions()->RemoveLast();
  CHECK(check(missing).error().code == Code::Denied);

  Sample forged = sample;
  forged.record.mutable_current()->mutable_decisions(1)->mutable_signature()->at(5) ^= 1;
  CHECK(check(forged).error().code == Code::Denied);

  Sample stranger = sample;
  *stranger.record.mutable_current()->mutable_decisions(1) = decision(sample, kStranger);
  CHECK(check(stranger).error().code == Code::Denied);

  // Lena's approval of another contract, with the same words in it.
  Sample other = make(kTwoSigners, {.nonce = 2});
  Sample borrowed = sample;
  *borrowed.record.mutable_current()->mutable_decisions(1) = other.record.current().decisions(1);
  CHECK(check(borrowed).error().code == Code::Denied);

  // A rejection is no approval, whatever the record calls it.
  Sample turned = sample;
  auto subject = contract::approval_subject(kChain, sample.compiled.header, sample.compiled.header_bytes);
  turned.record.mutable_current()->mutable_decisions(1)->set_signature(
      contract::sign_decision(kLegal, subject, pb::DECISION_REJECT));
  CHECK(check(turned).error().code == Code::Denied);

  // Made for another chain.
  CHECK(verify_contract("other", sample.id, sample.record, sample.compiled.body_bytes).error().code == Code::Denied);
}

TEST_CASE("a body that is not the one the header names is refused") {
  Sample sample = make(kTwoSigners);
  Sample swapped = sample;
  swapped.compiled.body_bytes = make(kPlainBody, {.nonce = 1}).compiled.body_bytes;
  CHECK(check(swapped).error().code == Code::Corrupt);
  for (size_t at = 0; at < sample.compiled.body_bytes.size(); at += 7) {
    Sample changed = sample;
    changed.compiled.body_bytes[at] ^= 1;
    CHECK(!check(changed).has_value());
  }
  Sample empty = sample;
  empty.compiled.body_bytes.clear();
  CHECK(!check(empty).has_value());
}

TEST_CASE("a changed header, another's id, another version, an ended contract are refused") {
  Sample sample = make(kTwoSigners);
  Sample changed = sample;
  changed.record.mutable_current()->mutable_header()->at(10) ^= 1;
  CHECK(check(changed).error().code == Code::Corrupt);
  // The record's hash put right too: then the approvals are for something else.
  Sample other = make(kPlainBody);
  Sample replaced = sample;
  replaced.record.mutable_current()->set_header(other.compiled.header_bytes);
  replaced.record.mutable_current()->set_header_hash(contract::header_hash(other.compiled.header_bytes).bytes());
  CHECK(!check(replaced).has_value());

  CHECK(verify_contract(kChain, other.id == sample.id ? make(kPlainBody, {.nonce = 9}).id : other.id, sample.record,
                        sample.compiled.body_bytes).error().code == Code::Denied);
  Sample version = sample;
  version.record.mutable_current()->set_version(2);
  CHECK(check(version).error().code == Code::Denied);
  Sample owner = sample;
  owner.record.set_owner(kStranger.public_key().bytes());
  CHECK(check(owner).error().code == Code::Denied);
  for (auto state : {pb::CONTRACT_PENDING, pb::CONTRACT_REJECTED, pb::CONTRACT_CANCELLED, pb::CONTRACT_EXPIRED, pb::CONTRACT_UNSET}) {
    Sample ended = sample;
    ended.record.mutable_current()->set_state(state);
    CHECK(check(ended).error().code == Code::Denied);
  }
}

TEST_CASE("the keyring opens for its reader and its contract only") {
  Sample sample = make(kTwoSigners);
  auto verified = *check(sample);
  auto opened = open_secret_key(kChain, *verified, sample.record, sample.keyring, kNode);
  REQUIRE(opened.has_value());
  CHECK(*opened == sample.compiled.secret_key);
  CHECK(open_secret_key(kChain, *verified, sample.record, sample.keyring, kOtherNode).error().code == Code::NotFound);

  // Another contract's keyring, even when the ledger's record names it.
  Sample other = make(kTwoSigners, {.nonce = 2});
  pb::Contract record = sample.record;
  record.set_keyring_hash(crypto::blake2b(other.keyring).bytes());
  CHECK(open_secret_key(kChain, *verified, record, other.keyring, kNode).error().code == Code::Denied);
  // Its boxes under our contract's name.
  auto copied = *contract::decode_keyring(other.keyring);
  copied.set_contract(sample.id.bytes());
  Bytes renamed = wire::encode(copied);
  record.set_keyring_hash(crypto::blake2b(renamed).bytes());
  CHECK(open_secret_key(kChain, *verified, record, renamed, kNode).error().code == Code::Denied);
  // Not the one the record names.
  CHECK(open_secret_key(kChain, *verified, sample.record, other.keyring, kNode).error().code == Code::Corrupt);
}
