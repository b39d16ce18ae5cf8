// Inside this room only: the plan of some networks beside others that are as wanted already. Pure.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "network/firewall.h"
#include "network/plan.h"
#include "network/transit_numbers.h"

namespace mcloud::network {

// The others, and what is of all.
struct Rest {
  bool has_networks = false, has_ipv6 = false, has_mesh = false;
  TransitNumbers& numbers;               // theirs are taken; those of the part are when it is planned
  const std::set<uint32_t>& portals;     // of the numbers those of their portals
  std::function<Rules(const Transits&)> node_rules;      // of all, when the part has these links
  std::function<std::string(Underlay)> sources_text;     // of all
};

struct PartPlan {
  std::vector<NetworkStep> steps;
  Transits transits;  // of the part
};

// `part`: networks and publications, sifted. `actual`: of the node, and of these networks, their namespaces and what is left
// of former ones; portals of the others may be in it too.
PartPlan plan_part(const DesiredNetworks& part, const ActualNetworks& actual, const Rest& rest);

}  // namespace mcloud::network
