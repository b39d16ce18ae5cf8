// Is there one order of a history's operations that explains every answer and keeps real time? (Linearizability; the
// search is Wing and Gong's with Lowe's memory of what was tried.) A property of each object alone, so histories are
// judged per key, or per few keys that are changed together.
#pragma once

#include "testing/history.h"

namespace mcloud::testing {

struct LinearVerdict {
  enum class Kind : uint8_t { Linear, Broken, Undecided };
  Kind kind = Kind::Linear;
  std::string why;      // Broken: how far it went and what could not come next. Undecided: the bound that was met
  uint64_t states = 0;  // that were looked at
};

// All keys are without a value at first. Beyond real time, a process's operations happen in its order. Time and memory
// are bounded by `states_max` (about 100 bytes each).
LinearVerdict judge_linear(const History& history, size_t keys, uint64_t states_max = 2'000'000);

}  // namespace mcloud::testing
