#include "contract/reference.h"

namespace mcloud::contract {

std::string joined_names(const std::vector<std::string>& names) {
  constexpr size_t kShownMax = 12;
  std::string out;
  for (size_t i = 0; i < names.size() && i < kShownMax; ++i) out += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShownMax ? out + ", ..." : out;
}

}  // namespace mcloud::contract
