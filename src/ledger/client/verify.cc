#include "ledger/client/verify.h"

#include <set>

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "wire/canonical.h"

namespace mcloud::ledger {
namespace {

Error denied(std::string_view why) { return make_error(Code::Denied, "block header: " + std::string(why)); }

const pb::Validator* find_validator(const Trust& trust, BytesView key) {
  for (const pb::Validator& validator : trust.validators) {
    if (validator.key() == key) return &validator;
  }
  return nullptr;
}

Status check_signatures(const Trust& trust, const pb::SignedBlockHeader& signed_header) {
  uint64_t total = 0;
  for (const pb::Validator& validator : trust.validators) total += validator.power();
  uint64_t power = 0;
  std::set<BytesView> seen;
  for (const pb::ValidatorSignature& signature : signed_header.signatures()) {
    const pb::Validator* validator = find_validator(trust, signature.validator());
    if (validator == nullptr) return denied("signed by a key that is no validator's");
    if (!seen.insert(validator->key()).second) return denied("signed twice by one validator");
    PublicKey key = TRY(PublicKey::from_bytes(validator->key()));
    if (!crypto::verify(key, "mcloud/block", signed_header.header(), signature.signature())) {
      return denied("a signature is wrong");
    }
    power += validator->power();
  }
  // Written so that nothing overflows: Trust bounds the powers.
  if (power * 3 <= total * 2) {
    return denied("signed by validators with power " + std::to_string(power) + " of " + std::to_string(total) +
                  ", more than 2/3 are needed");
  }
  return {};
}

}  // namespace

Result<VerifiedHead> verify_head(const Trust& trust, BytesView bytes) {
  auto decoded = wire::decode<pb::SignedBlockHeader>(bytes, "signed block header", kHeadBytesMax);
  if (!decoded.has_value()) return denied(decoded.error().message);
  auto header = wire::decode<pb::BlockHeader>(decoded->header(), "block header", kHeadBytesMax);
  if (!header.has_value()) return denied(header.error().message);
  if (header->chain_id() != trust.chain_id) return denied("of another chain, \"" + header->chain_id() + "\"");
  TRY(check_signatures(trust, *decoded));
  Result<Hash> state_hash = Hash::from_bytes(header->state_hash());
  if (!state_hash.has_value()) return denied("its state hash has not 32 bytes");
  VerifiedHead verified;
  verified.head = {header->height(), header->time_ms(), crypto::blake2b(decoded->header()), *state_hash};
  verified.header = std::move(*header);
  verified.signed_header = bytes;
  return verified;
}

Hash hash_of_transactions(BytesView joined_hashes) { return crypto::blake2b(joined_hashes); }
Hash hash_of_results(BytesView result_bytes) { return crypto::blake2b(result_bytes); }

Status verify_results(const pb::BlockHeader& header, BytesView results, size_t transactions) {
  if (results.size() == transactions && hash_of_results(results).view() == header.results_hash()) return {};
  return make_error(Code::Denied, "the results of block " + std::to_string(header.height()) +
                                      " are not those that its validators signed");
}

Result<uint8_t> verify_outcome(const VerifiedHead& head, const BlockEvidence& evidence, const Hash& transaction) {
  if (evidence.transaction_hashes.size() != evidence.results.size() * Hash::kSize ||
      hash_of_transactions(evidence.transaction_hashes).view() != head.header.transactions_hash() ||
      hash_of_results(evidence.results).view() != head.header.results_hash()) {
    return make_error(Code::Denied,
                      "the evidence of block " + std::to_string(head.head.height) + " does not match its header");
  }
  BytesView hashes = evidence.transaction_hashes;
  for (size_t i = 0; i < evidence.results.size(); ++i) {
    if (hashes.substr(i * Hash::kSize, Hash::kSize) == transaction.view()) {
      return static_cast<uint8_t>(evidence.results[i]);
    }
  }
  return make_error(Code::Denied, "block " + std::to_string(head.head.height) + " does not contain the transaction");
}

}  // namespace mcloud::ledger
