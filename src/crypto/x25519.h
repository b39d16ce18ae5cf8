// X25519 key pairs (RFC 7748), as WireGuard uses them. libsodium. Thread-safe.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace mcloud::crypto {

inline constexpr size_t kX25519Size = 32;  // of either key

// A new secret key, clamped (section 5); wipe it after use.
Bytes make_x25519_secret();
// Invalid unless the secret has 32 bytes.
Result<Bytes> x25519_public(BytesView secret);

}  // namespace mcloud::crypto
