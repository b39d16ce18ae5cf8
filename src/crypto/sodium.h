// Inside this room only: makes libsodium ready.
#pragma once

namespace mcloud::crypto {

// Cheap after the first time; thread-safe. Everything that calls libsodium calls this before.
void require_sodium();

}  // namespace mcloud::crypto
