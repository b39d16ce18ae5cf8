#include "crypto/x25519.h"

#include <sodium.h>

#include "crypto/box.h"
#include "crypto/sodium.h"

namespace mcloud::crypto {

static_assert(kX25519Size == crypto_scalarmult_BYTES && kX25519Size == crypto_scalarmult_SCALARBYTES);

Bytes make_x25519_secret() {
  Bytes secret = random_bytes(kX25519Size);
  // Curves do this when they multiply; written out because others compare keys as text.
  secret.front() = static_cast<char>(secret.front() & 0xf8);
  secret.back() = static_cast<char>((secret.back() & 0x7f) | 0x40);
  return secret;
}

Result<Bytes> x25519_public(BytesView secret) {
  require_sodium();
  if (secret.size() != kX25519Size) return make_error(Code::Invalid, "an X25519 key has 32 bytes");
  Bytes key(kX25519Size, '\0');
  crypto_scalarmult_base(reinterpret_cast<unsigned char*>(key.data()),
                         reinterpret_cast<const unsigned char*>(secret.data()));
  return key;
}

}  // namespace mcloud::crypto
