// Seeds on all cores: each worker is a process of its own that runs every so-manieth seed, so that a seed goes as it goes
// alone, and one that brings its process down is known.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim/figures.h"

namespace mcloud::sim {

struct Seeds {
  uint64_t from = 1;
  uint64_t count = 1;
  uint64_t workers = 1;
};

struct Outcome {
  RunFigures total;          // of the seeds below `failed`
  uint64_t failed = 0;       // the lowest seed that failed; only when `reason` says why
  std::string reason;        // "" = none did
  bool has_crashed = false;  // it ended its process
};

// `run` is called in the workers and throws a Violation when the seed fails. The same outcome with any number of workers.
Outcome run_seeds(const Seeds& seeds, const std::function<RunFigures(uint64_t seed)>& run);

// Cores that this process may use.
uint64_t cores();

}  // namespace mcloud::sim
