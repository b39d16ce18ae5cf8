// Signed heads made by a test's own validators.
#pragma once

#include <doctest/doctest.h>

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/client/verify.h"
#include "wire/canonical.h"

namespace mcloud::ledger {

inline crypto::SigningKey validator_key(int index) {
  return crypto::SigningKey::from_seed(crypto::blake2b("validator " + std::to_string(index)).view()).value();
}

inline Trust test_trust(const std::vector<uint64_t>& powers) {
  Trust trust{"test", {}};
  for (size_t i = 0; i < powers.size(); ++i) {
    pb::Validator validator;
    validator.set_key(validator_key(static_cast<int>(i)).public_key().bytes());
    validator.set_power(powers[i]);
    trust.validators.push_back(validator);
  }
  return trust;
}

inline pb::BlockHeader test_header(uint64_t height, const Hash& state_hash = Hash()) {
  pb::BlockHeader header;
  header.set_chain_id("test");
  header.set_height(height);
  header.set_previous(Hash().bytes());
  header.set_time_ms(1'000 + height);
  header.set_transactions_hash(hash_of_transactions("").bytes());
  header.set_results_hash(hash_of_results("").bytes());
  header.set_state_hash(state_hash.bytes());
  header.set_logic_version(1);
  return header;
}

inline Bytes signed_head(const pb::BlockHeader& header, const std::vector<int>& signers,
                         std::string_view domain = "mcloud/block") {
  pb::SignedBlockHeader head;
  head.set_header(wire::encode(header));
  for (int signer : signers) {
    pb::ValidatorSignature& signature = *head.add_signatures();
    signature.set_validator(validator_key(signer).public_key().bytes());
    signature.set_signature(validator_key(signer).sign(domain, head.header()));
  }
  return wire::encode(head);
}

}  // namespace mcloud::ledger
