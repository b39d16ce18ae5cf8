// What is signed inside transactions, apart from approvals (contract/approval.h). Whoever makes such a
// signature and the state machine that checks it use the same functions.
#pragma once

#include "base/ids.h"
#include "crypto/sign.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

inline constexpr std::string_view kTransactionDomain = "mcloud/transaction";
inline constexpr std::string_view kIdentityDomain = "mcloud/identity";
inline constexpr std::string_view kJoinTokenDomain = "mcloud/join-token";

// Canonical SignedTransaction bytes; `transaction.sender` must be `key`'s public key.
Bytes sign_transaction(const pb::Transaction& transaction, const crypto::SigningKey& key);

// chain id | sponsor (32 bytes) | name: RegisterIdentity.proof is the new key's signature over it.
Bytes identity_statement(std::string_view chain_id, const PublicKey& sponsor, std::string_view name);
crypto::Signature prove_identity(const crypto::SigningKey& key, std::string_view chain_id, const PublicKey& sponsor,
                                 std::string_view name);

pb::SignedJoinToken sign_join_token(const pb::JoinToken& token, const crypto::SigningKey& farm_owner);

}  // namespace mcloud::ledger
