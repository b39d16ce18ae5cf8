// Any text: a canonical form that is its own and says the same, or an error.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "contract/format/format.h"

using namespace mcloud;
using namespace mcloud::contract;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Result<std::string> once = format_contract({reinterpret_cast<const char*>(data), size});
  if (!once) return 0;
  Result<std::string> twice = format_contract(*once);
  CHECK(twice.has_value() && *twice == *once);
  return 0;
}
