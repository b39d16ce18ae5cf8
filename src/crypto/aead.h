// AES-256-GCM for bulk data in others' formats (OpenSSL: 5 GB/s a core here). Our own boxes are in box.h.
//
// The nonce is the caller's, so the caller sees to it that no two messages meet under one key and nonce: that would
// give both away. Thread-safe.
#pragma once

#include "base/bytes.h"

namespace mcloud::crypto {

inline constexpr size_t kAesKeySize = 32;
inline constexpr size_t kGcmNonceSize = 12;
inline constexpr size_t kGcmTagSize = 16;

// Ciphertext, then the tag. Key and nonce have the sizes above; no associated data.
Bytes aes256_gcm_seal(BytesView key, BytesView nonce, BytesView message);
// Denied when key, nonce or bytes do not match.
Result<Bytes> aes256_gcm_open(BytesView key, BytesView nonce, BytesView sealed);

}  // namespace mcloud::crypto
