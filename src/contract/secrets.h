// Secrets of a contract: each value is encrypted under the contract's secret key with the place it
// belongs to as associated data; the key itself is sealed for each node that may run the contract.
//
//   Secret.box = XChaCha20-Poly1305(key, ad = "chain|owner hex|nonce hex|workload|field", value)
//   KeyBox.box = seal_for(node, context = "mcloud/keyring|chain|owner hex|nonce hex", key)
//
// A box copied into another contract, workload or field does not open. Pure but for randomness.
#pragma once

#include <span>
#include <string>

#include "base/ids.h"
#include "crypto/sign.h"
#include "mcloud/contract.pb.h"

namespace mcloud::contract {

inline constexpr size_t kSecretBytesMax = 64 << 10;
inline constexpr int kKeyringBoxesMax = 4096;

// The contract a secret belongs to.
struct SecretScope {
  std::string chain_id;  // [A-Za-z0-9._-]{1,64}
  PublicKey owner;
  Bytes nonce;           // 16 bytes
};
SecretScope secret_scope(std::string_view chain_id, const pb::ContractHeader& header);

struct SecretPlace {
  std::string workload;
  std::string field;  // environment_field(), secret_file_field() or one of the names below
};
std::string environment_field(std::string_view variable);  // "environment.TOKEN"
std::string secret_file_field(std::string_view path);      // "secret_files./run/secrets/token"
inline constexpr std::string_view kPasswordField = "password";               // of a kv
inline constexpr std::string_view kAccessKeyField = "access.private_key";     // of a network: 32 bytes
inline constexpr std::string_view kAcmeAccountField = "site.tls.account_key";  // of a publication at gateways: PEM
inline constexpr std::string_view kTlsKeyField = "site.tls.private_key";       // of its certificate, ACME's or supplied: PEM

// Invalid when the value or a part of scope or place is out of bounds.
Result<Bytes> encrypt_secret(BytesView key, const SecretScope& scope, const SecretPlace& place, BytesView value);
// Denied when key, scope or place is another's or the box was changed.
Result<Bytes> open_secret(BytesView key, const SecretScope& scope, const SecretPlace& place, BytesView box);

// The contract's secret key as a function of the owner's and of Keyring.generation: nothing to store, the
// owner can always reseal, and takes the next generation to lock out who had the key. 32 bytes; wipe after use.
Bytes owner_secret_key(const crypto::SigningKey& owner, const SecretScope& scope, uint64_t generation = 1);

// `readers` (nodes, and whoever else shall open it) in any order; duplicates are dropped.
Result<pb::Keyring> make_keyring(const SecretScope& scope, BytesView key, uint64_t generation,
                                 std::span<const PublicKey> readers);
// Canonical decoding, bounds, order.
Result<pb::Keyring> decode_keyring(BytesView bytes);
// The secret key. NotFound when there is no box for this reader, Denied when the box is of another contract.
Result<Bytes> open_keyring(const SecretScope& scope, const pb::Keyring& keyring, const crypto::SigningKey& reader);

}  // namespace mcloud::contract
