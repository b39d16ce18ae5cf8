// One run: a whole cluster, its people and its faults, from one seed.
#pragma once

#include <cstdint>

#include "sim/figures.h"

namespace mcloud::sim {

// Throws Violation (sim/judge.h) when something that must be true is not.
RunFigures run_seed(uint64_t seed);

}  // namespace mcloud::sim
