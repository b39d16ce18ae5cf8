#include "lab/layout.h"

namespace mcloud::lab {

std::string uplink_address(size_t index) { return "10.250.0." + std::to_string(10 + index); }
std::string backplane_address(size_t index) { return "10.251.0." + std::to_string(index); }
std::string ring_address(size_t link, bool successor) {
  return "10.251." + std::to_string(100 + link) + (successor ? ".1" : ".0");
}
// Private use (RFC 6996).
uint32_t as_number(size_t index) { return 4'200'000'000u + static_cast<uint32_t>(index); }

std::vector<RingLink> ring_of(size_t nodes) {
  std::vector<RingLink> links;
  if (nodes < 2) return links;
  for (size_t i = 1; i <= nodes; ++i) links.push_back({i, successor_of(i, nodes)});
  return links;
}

size_t predecessor_of(size_t index, size_t nodes) { return index == 1 ? nodes : index - 1; }
size_t successor_of(size_t index, size_t nodes) { return index == nodes ? 1 : index + 1; }

}  // namespace mcloud::lab
