// Randomness that one seed repeats, on every machine and build (xoshiro256**, seeded by SplitMix64;
// Blackman and Vigna, public domain). Never for secrets.
#pragma once

#include <array>

#include "base/world.h"

namespace mcloud::testing {

// Not thread-safe.
class SimulatedRandom final : public Random {
 public:
  explicit SimulatedRandom(uint64_t seed);
  Bytes bytes(size_t count) override;
  uint64_t below(uint64_t bound) override;

  uint64_t next();
  // True in `percent` of the calls.
  bool chance(uint64_t percent) { return below(100) < percent; }

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace mcloud::testing
