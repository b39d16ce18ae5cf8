// Any bytes as an audit bundle: refused or verified, nothing else. As no mutation finds a signature, each bundle that
// decodes is also tried with its heads signed by the validator that is trusted.
#include "bot/audit_bundle.h"
#include "crypto/sign.h"
#include "mcloud/audit.pb.h"
#include "wire/canonical.h"

using namespace mcloud;

namespace {

const crypto::SigningKey& validator() {
  static const crypto::SigningKey key = crypto::SigningKey::from_seed(Bytes(32, 'k')).value();
  return key;
}

ledger::Trust trust() {
  ledger::Trust made{"fuzz", {}};
  made.validators.emplace_back();
  made.validators.back().set_key(validator().public_key().bytes());
  made.validators.back().set_power(1);
  return made;
}

void sign(Bytes& head) {
  auto signed_head = wire::decode<pb::SignedBlockHeader>(head, "head");
  if (!signed_head.has_value()) return;
  signed_head->clear_signatures();
  pb::ValidatorSignature& signature = *signed_head->add_signatures();
  signature.set_validator(validator().public_key().bytes());
  signature.set_signature(validator().sign("mcloud/block", signed_head->header()));
  head = wire::encode(*signed_head);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(bot::verify_bundle(trust(), bytes));
  auto bundle = wire::decode<pb::AuditBundle>(bytes, "bundle");
  if (!bundle.has_value()) return 0;
  sign(*bundle->mutable_newest());
  for (pb::AuditBlock& block : *bundle->mutable_blocks()) sign(*block.mutable_head());
  for (pb::AuditState& state : *bundle->mutable_states()) sign(*state.mutable_head());
  static_cast<void>(bot::verify_bundle(trust(), "MCAUDIT1" + wire::encode(*bundle)));
  return 0;
}
