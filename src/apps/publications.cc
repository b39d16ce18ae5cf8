#include "apps/publications.h"

#include <charconv>
#include <set>

#include "cli/context.h"

namespace mcloud::apps {
namespace {

// 0 when it is no TCP port.
uint16_t tcp_port(std::string_view claim) {
  if (!claim.starts_with("tcp/")) return 0;
  uint16_t port = 0;
  const char* end = claim.data() + claim.size();
  auto [stopped, error] = std::from_chars(claim.data() + 4, end, port);
  return error == std::errc() && stopped == end ? port : 0;
}

}  // namespace

Publications publications_of(const std::vector<pb::Node>& nodes) {
  std::map<std::pair<uint16_t, ContractId>, std::set<std::string>> targets;
  for (const pb::Node& node : nodes) {
    if (node.addresses().uplink().empty()) continue;
    for (const pb::NodeClaim& claim : node.claims()) {
      uint16_t port = tcp_port(claim.name());
      Result<ContractId> contract = ContractId::from_bytes(claim.contract());
      if (port == 0 || !contract.has_value()) continue;
      std::pair publication(port, *contract);
      if (targets.size() == kPublicationsMax && !targets.contains(publication)) continue;
      targets[publication].insert(node.addresses().uplink() + ":" + std::to_string(port));
    }
  }
  Publications publications;
  for (const auto& [publication, where] : targets) {
    const auto& [port, contract] = publication;
    publications[cli::forward_name("tcp", port, contract)] = {port, {where.begin(), where.end()}};
  }
  return publications;
}

}  // namespace mcloud::apps
