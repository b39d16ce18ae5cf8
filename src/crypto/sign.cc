#include "crypto/sign.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/sodium.h"

namespace mcloud::crypto {
namespace {

Bytes with_domain(std::string_view domain, BytesView message) {
  CHECK(!domain.empty() && domain.size() <= 255);
  Bytes out;
  out.reserve(1 + domain.size() + message.size());
  out += static_cast<char>(domain.size());
  out += domain;
  out += message;
  return out;
}

const unsigned char* raw(BytesView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

}  // namespace

SigningKey SigningKey::generate() {
  require_sodium();
  SigningKey key;
  crypto_sign_keypair(key.public_key_.data(), key.secret_.data());
  return key;
}

Result<SigningKey> SigningKey::from_seed(BytesView seed) {
  require_sodium();
  if (seed.size() != crypto_sign_SEEDBYTES) {
    return make_error(Code::Invalid, "a key's seed has " + std::to_string(seed.size()) + " bytes instead of 32");
  }
  SigningKey key;
  crypto_sign_seed_keypair(key.public_key_.data(), key.secret_.data(), raw(seed));
  return key;
}

// libsodium's secret key is seed | public key.
BytesView SigningKey::seed() const { return {reinterpret_cast<const char*>(secret_.data()), crypto_sign_SEEDBYTES}; }

Signature SigningKey::sign(std::string_view domain, BytesView message) const {
  Bytes signed_bytes = with_domain(domain, message);
  Signature signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr, raw(signed_bytes),
                       signed_bytes.size(), secret_.data());
  return signature;
}

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

bool verify(const PublicKey& key, std::string_view domain, BytesView message, BytesView signature) {
  require_sodium();
  if (signature.size() != crypto_sign_BYTES) return false;
  Bytes signed_bytes = with_domain(domain, message);
  return crypto_sign_verify_detached(raw(signature), raw(signed_bytes), signed_bytes.size(), key.data()) == 0;
}

}  // namespace mcloud::crypto
