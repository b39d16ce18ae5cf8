// Any bytes as the record that a node keeps of an image: what reads is stable through writing.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "flist/image_record.h"

using namespace mcloud;
using namespace mcloud::flist;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Result<ImageRecord> record = parse_record({reinterpret_cast<const char*>(data), size});
  if (!record.has_value()) {
    CHECK(!record.error().message.empty());
    return 0;
  }
  std::string text = to_json(*record);
  Result<ImageRecord> again = parse_record(text);
  CHECK(again.has_value() && to_json(*again) == text);
  return 0;
}
