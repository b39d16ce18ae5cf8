#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mcloud {

void check_failed(const char* text, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", text, file, line);
  std::abort();
}

}  // namespace mcloud
