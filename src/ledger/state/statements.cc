#include "ledger/state/statements.h"

#include "wire/canonical.h"

namespace mcloud::ledger {

Bytes sign_transaction(const pb::Transaction& transaction, const crypto::SigningKey& key) {
  pb::SignedTransaction signed_transaction;
  signed_transaction.set_transaction(wire::encode(transaction));
  signed_transaction.set_signature(key.sign(kTransactionDomain, signed_transaction.transaction()));
  return wire::encode(signed_transaction);
}

Bytes identity_statement(std::string_view chain_id, const PublicKey& sponsor, std::string_view name) {
  return Bytes(chain_id).append(sponsor.view()).append(name);
}

crypto::Signature prove_identity(const crypto::SigningKey& key, std::string_view chain_id, const PublicKey& sponsor,
                                 std::string_view name) {
  return key.sign(kIdentityDomain, identity_statement(chain_id, sponsor, name));
}

pb::SignedJoinToken sign_join_token(const pb::JoinToken& token, const crypto::SigningKey& farm_owner) {
  pb::SignedJoinToken signed_token;
  signed_token.set_token(wire::encode(token));
  signed_token.set_signer(farm_owner.public_key().bytes());
  signed_token.set_signature(farm_owner.sign(kJoinTokenDomain, signed_token.token()));
  return signed_token;
}

}  // namespace mcloud::ledger
