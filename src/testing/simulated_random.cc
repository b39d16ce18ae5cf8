#include "testing/simulated_random.h"

#include <bit>
#include <limits>

#include "base/check.h"

namespace mcloud::testing {

SimulatedRandom::SimulatedRandom(uint64_t seed) {
  for (uint64_t& word : state_) {
    uint64_t mixed = seed += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    word = mixed ^ mixed >> 31;
  }
}

uint64_t SimulatedRandom::next() {
  uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

Bytes SimulatedRandom::bytes(size_t count) {
  Bytes out;
  out.reserve(count + 8);
  while (out.size() < count) append_u64_be(out, next());
  out.resize(count);
  return out;
}

uint64_t SimulatedRandom::below(uint64_t bound) {
  CHECK(bound > 0);
  const uint64_t limit = std::numeric_limits<uint64_t>::max() / bound * bound;
  uint64_t value;
  do {
    value = next();
  } while (value >= limit);
  return value % bound;
}

}  // namespace mcloud::testing
