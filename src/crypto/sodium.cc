#include "crypto/sodium.h"

#include <sodium.h>

#include "base/check.h"

namespace mcloud::crypto {

void require_sodium() {
  static const bool ready = sodium_init() >= 0;
  CHECK(ready);  // fails only where the machine has no source of randomness
}

}  // namespace mcloud::crypto
