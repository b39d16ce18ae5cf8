// Encryption: boxes that only the holder of a signing key's X25519 twin opens, secret boxes under a
// symmetric key bound to associated data, and keys from a passphrase. All libsodium.
#pragma once

#include "base/ids.h"
#include "crypto/sign.h"

namespace mcloud::crypto {

// crypto_box_seal to the X25519 form of an Ed25519 key. `context` goes inside the box before the
// message (u32 length | context | message): a box copied elsewhere opens only under its own context.
Result<Bytes> seal_for(const PublicKey& recipient, BytesView context, BytesView message);
// Denied when the box is not for this key or carries another context.
Result<Bytes> open_sealed(const SigningKey& recipient, BytesView context, BytesView box);

inline constexpr size_t kSymmetricKeySize = 32;

// XChaCha20-Poly1305 (IETF), random 24-byte nonce in front of the ciphertext.
Bytes encrypt(BytesView key, BytesView associated_data, BytesView message);
// Denied when key, associated data or bytes do not match.
Result<Bytes> decrypt(BytesView key, BytesView associated_data, BytesView box);

enum class PassphraseCost { Interactive, Moderate };
// Argon2id to 32 bytes; `salt` has 16 bytes. Takes 0.1 s (Interactive) to 1 s (Moderate).
Result<Bytes> key_from_passphrase(std::string_view passphrase, BytesView salt, PassphraseCost cost);

// Key derivation: a 32-byte subkey for a purpose (BLAKE2b keyed with `key` over `purpose`).
Bytes derive_key(BytesView key, std::string_view purpose);

Bytes random_bytes(size_t count);
// Overwrites in a way the compiler keeps.
void wipe(Bytes& secret);

}  // namespace mcloud::crypto
