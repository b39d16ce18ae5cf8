#include <cstdint>

#include "node/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto config = mcloud::node::parse_config({reinterpret_cast<const char*>(data), size});
  static_cast<void>(config.has_value());
  return 0;
}
