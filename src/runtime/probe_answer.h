// The first line of an HTTP/1.x answer (RFC 9112 section 4). Pure.
#pragma once

#include "base/bytes.h"

namespace mcloud::runtime {

inline constexpr size_t kStatusLineMax = 4096;

// Unavailable when it is none.
Result<int> parse_http_status(BytesView answer);

}  // namespace mcloud::runtime
