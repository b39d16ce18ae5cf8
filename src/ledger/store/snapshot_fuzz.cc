#include <cstdint>
#include <cstdlib>

#include "ledger/store/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud;
  using namespace mcloud::ledger;
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  Result<SnapshotContent> content = parse_snapshot(bytes);
  if (content.has_value() && size < 48 + 12) abort();
  return 0;
}
