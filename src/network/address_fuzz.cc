// Addresses and ranges come from contracts: whatever is accepted reads back as itself.
#include <cstdint>
#include <cstdlib>

#include "network/address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud::network;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto address = Ipv4::parse(text);
  if (address.has_value() && address->text() != text) std::abort();
  auto range = Range::parse(text);
  if (range.has_value() && (range->text() != text || !range->contains(range->first))) std::abort();
  return 0;
}
