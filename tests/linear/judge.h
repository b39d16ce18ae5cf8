// All that the workers did, sorted by object and judged.
#pragma once

#include <string>
#include <vector>

#include "worker.h"

namespace mcloud::linear {

struct Findings {
  std::vector<std::string> wrong;
  uint64_t operations = 0;
  uint64_t unanswered = 0;
  uint64_t states = 0;  // that the search looked at
};

Findings judge(const std::vector<Object>& objects, const std::vector<std::vector<Record>>& records);

}  // namespace mcloud::linear
