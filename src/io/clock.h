// The machine's clock and randomness: the real homes of base/world.h.
#pragma once

#include "base/world.h"

namespace mcloud::io {

class SystemClock final : public Clock {
 public:
  uint64_t monotonic_ms() const override;  // CLOCK_BOOTTIME
  uint64_t monotonic_us() const override;
  uint64_t wall_ms() const override;
};

class SystemRandom final : public Random {
 public:
  Bytes bytes(size_t count) override;  // getrandom(2)
  uint64_t below(uint64_t bound) override;
};

}  // namespace mcloud::io
