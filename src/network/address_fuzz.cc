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
  // IPv6 may be written in several ways, and is written in one.
  auto address6 = Ipv6::parse(text);
  if (address6.has_value() && Ipv6::parse(address6->text()).value() != *address6) std::abort();
  auto range6 = Range6::parse(text);
  if (range6.has_value() && Range6::parse(range6->text()).value() != *range6) std::abort();
  if (range6.has_value() == address6_of(text, Ipv4{1}).empty()) std::abort();
  return 0;
}
