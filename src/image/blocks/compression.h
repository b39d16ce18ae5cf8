// Snappy, raw format, between bounds: what comes from strangers says how large it becomes, and that is checked before
// a byte is allocated. Pure.
#pragma once

#include "base/bytes.h"

namespace mcloud::image {

Bytes compress(BytesView plain);
// Exactly `plain_bytes` bytes; Corrupt when `packed` says another size or is damaged.
Result<Bytes> decompress(BytesView packed, uint64_t plain_bytes);

}  // namespace mcloud::image
