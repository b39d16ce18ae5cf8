// BLAKE2b-256 (RFC 7693), the one hash of the house, and SHA-256 where others' formats ask
// for it (OCI digests).
#pragma once

#include <initializer_list>

#include "base/ids.h"

namespace mcloud::crypto {

Hash blake2b(BytesView bytes);
// The hash of the parts joined; nothing marks the seams, so use fixed-size parts.
Hash blake2b(std::initializer_list<BytesView> parts);
// Keyed (RFC 7693 section 2.9): a MAC and a pseudo-random function. The key has 16 to 64 bytes.
Hash blake2b_keyed(BytesView key, BytesView bytes);

// Incremental, for what does not fit in memory. Not thread-safe; finish() ends it.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(BytesView bytes);
  Bytes finish();  // 32 bytes

 private:
  void* context_;
};

Bytes sha256(BytesView bytes);  // 32 bytes
Bytes hmac_sha256(BytesView key, BytesView bytes);  // RFC 2104; 32 bytes

}  // namespace mcloud::crypto
