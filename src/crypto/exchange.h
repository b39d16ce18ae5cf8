// X25519 (RFC 7748) key pairs for protocols of others that agree on keys themselves (WireGuard).
#pragma once

#include <array>
#include <cstdint>

namespace mcloud::crypto {

using ExchangeKey = std::array<uint8_t, 32>;

ExchangeKey make_exchange_secret();  // random, clamped as in section 5
ExchangeKey exchange_public_key(const ExchangeKey& secret);

}  // namespace mcloud::crypto
