// One run: a whole cluster, its people and its faults, from one seed.
#pragma once

#include <cstdint>

namespace mcloud::sim {

struct RunFigures {
  uint64_t blocks = 0;
  uint64_t starts = 0;
  uint64_t moves = 0;
  uint64_t fencings = 0;
};

// Throws Violation (sim/judge.h) when something that must be true is not.
RunFigures run_seed(uint64_t seed);

}  // namespace mcloud::sim
