// Ed25519 signatures with domain separation (libsodium). What is signed is always
//   u8 length of domain | domain | message
// so that a signature made for one purpose is never valid for another.
#pragma once

#include <string_view>

#include "base/ids.h"

namespace mcloud::crypto {

using Signature = Bytes;  // 64 bytes

class SigningKey {
 public:
  static SigningKey generate();
  // Invalid unless 32 bytes. The same seed gives the same key.
  static Result<SigningKey> from_seed(BytesView seed);

  const PublicKey& public_key() const { return public_key_; }
  BytesView seed() const;  // 32 secret bytes

  Signature sign(std::string_view domain, BytesView message) const;

  SigningKey(const SigningKey&) = default;
  SigningKey& operator=(const SigningKey&) = default;
  ~SigningKey();  // wipes

 private:
  SigningKey() = default;
  std::array<uint8_t, 64> secret_{};
  PublicKey public_key_;
};

// False for any malformed key or signature. Thread-safe; about 35 us.
bool verify(const PublicKey& key, std::string_view domain, BytesView message, BytesView signature);

}  // namespace mcloud::crypto
