// What a managed kv answers comes from a container: whatever it is, it is a status or an error.
#include <cstddef>
#include <cstdint>

#include "node/group.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mcloud::BytesView reply(reinterpret_cast<const char*>(data), size);
  auto words = mcloud::node::parse_kv_reply(reply);
  if (!words.has_value() || !*words) return 0;
  (void)mcloud::node::parse_group_status({(*words)->begin(), (*words)->end()}).has_value();
  return 0;
}
