#include "crypto/exchange.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/sodium.h"

namespace mcloud::crypto {

static_assert(crypto_scalarmult_SCALARBYTES == std::tuple_size_v<ExchangeKey>);

ExchangeKey make_exchange_secret() {
  require_sodium();
  ExchangeKey secret;
  randombytes_buf(secret.data(), secret.size());
  secret[0] &= 0xF8;
  secret[31] = static_cast<uint8_t>((secret[31] & 0x7F) | 0x40);
  return secret;
}

ExchangeKey exchange_public_key(const ExchangeKey& secret) {
  require_sodium();
  ExchangeKey out;
  CHECK(crypto_scalarmult_base(out.data(), secret.data()) == 0);
  return out;
}

}  // namespace mcloud::crypto
