// SHA-1 (RFC 3174), only because clients of 0-db prove with it that they know a password (AUTH SECURE). It is broken:
// never use it for anything else.
#pragma once

#include "base/bytes.h"

namespace mcloud::crypto {

Bytes sha1(BytesView bytes);  // 20 bytes

}  // namespace mcloud::crypto
