#include "lab/layout.h"

namespace mcloud::lab {

std::string uplink_address(size_t index) { return "10.250.0." + std::to_string(10 + index); }
std::string hidden_address(size_t index) { return "192.168." + std::to_string(index) + ".2"; }
std::string router_address(size_t index) { return "192.168." + std::to_string(index) + ".1"; }
std::string uplink_address6(size_t index) { return "2001:db8:250::" + std::to_string(10 + index); }
std::string hidden_address6(size_t index) { return "fd00:192:" + std::to_string(index) + "::2"; }
std::string router_address6(size_t index) { return "fd00:192:" + std::to_string(index) + "::1"; }
std::string backplane_address(size_t index) { return "10.251.0." + std::to_string(index); }
std::string ring_address(size_t link, bool successor) {
  return "10.251." + std::to_string(100 + link) + (successor ? ".1" : ".0");
}
// Private use (RFC 6996).
uint32_t as_number(size_t index) { return 4'200'000'000u + static_cast<uint32_t>(index); }

std::vector<RingLink> ring_of(const std::vector<size_t>& members) {
  std::vector<RingLink> links;
  if (members.size() < 2) return links;
  for (size_t i = 0; i < members.size(); ++i) links.push_back({members[i], members[(i + 1) % members.size()]});
  return links;
}

}  // namespace mcloud::lab
