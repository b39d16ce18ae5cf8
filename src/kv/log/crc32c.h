// CRC-32C (Castagnoli, RFC 3720 appendix B.4), at memory speed where the processor helps.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace mcloud::kv {

// Of `bytes` behind what `before` is the CRC of. crc32c("123456789") = 0xe3069283.
uint32_t crc32c(BytesView bytes, uint32_t before = 0);

}  // namespace mcloud::kv
