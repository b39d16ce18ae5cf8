// A join token as people carry it: the signed permission and, beside it, the farm's mesh secret, from which the
// preshared keys between the farm's nodes follow (docs/design/network.md 1). The ledger sees the permission alone.
//
//   "mcloud-token-1:" and base64 of
//     0   32  mesh secret
//     32   8  first 8 bytes of BLAKE2b(secret | token): a damaged text is not taken for another secret
//     40      SignedJoinToken, canonical
//
// The form without the secret, base64 of the SignedJoinToken alone, is read as well.
#pragma once

#include <string>

#include "crypto/sign.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::wallet {

inline constexpr size_t kMeshSecretSize = 32;

// The same for all tokens of a farm: it follows from the owner's key, so it is never stored.
Bytes mesh_secret(const crypto::SigningKey& farm_owner, std::string_view farm);

struct CarriedToken {
  Bytes token;        // a SignedJoinToken, canonical
  Bytes mesh_secret;  // 32 bytes; empty in the form without
};

std::string token_text(const pb::SignedJoinToken& token, BytesView mesh_secret);
// Invalid or Corrupt; never says what the secret is.
Result<CarriedToken> parse_token_text(std::string_view text);

}  // namespace mcloud::wallet
