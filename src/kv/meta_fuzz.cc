// Any bytes as a meta file, with a right check at their end: what is accepted is written and read the same.
#include <cstdlib>

#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"
#include "kv/meta.h"

using namespace mcloud;
using namespace mcloud::kv;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(parse_meta(text));
  Bytes check;
  append(check, crc32c(text));
  auto meta = parse_meta(text + "check " + to_hex(check) + "\n");
  if (!meta.has_value()) return 0;
  auto again = parse_meta(encode_meta(*meta));
  if (!again.has_value() || encode_meta(*again) != encode_meta(*meta)) std::abort();
  return 0;
}
