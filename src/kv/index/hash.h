// The index's hash of a key: SipHash-1-3 (Aumasson and Bernstein), keyed per namespace so that nobody can choose keys
// that fall together.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace mcloud::kv {

struct HashKey {
  uint64_t first = 0;
  uint64_t second = 0;
};

uint64_t hash_key(const HashKey& secret, BytesView key);

}  // namespace mcloud::kv
