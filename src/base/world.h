// The world behind interfaces: each has a real home in io/ and a simulated, seeded one in testing/.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace mcloud {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since some fixed moment; never goes back. For deadlines and liveness.
  virtual uint64_t monotonic_ms() const = 0;
  // The same in microseconds, as far as the clock is that fine. For measuring.
  virtual uint64_t monotonic_us() const { return monotonic_ms() * 1000; }
  // Milliseconds since 1970-01-01 UTC; may jump. For people and expiry, never for liveness.
  virtual uint64_t wall_ms() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual Bytes bytes(size_t count) = 0;
  // Uniform in [0, bound); bound > 0.
  virtual uint64_t below(uint64_t bound) = 0;
};

}  // namespace mcloud
