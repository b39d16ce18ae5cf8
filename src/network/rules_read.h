// Inside this room only: what is in force of our rules in the calling thread's namespace, by nfnetlink.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "network/plan.h"

namespace mcloud::network {

// The revision of the rules, "" = none of ours.
Result<std::string> firewall_revision();
// The elements of the set of (node, VNI); empty when there is none.
Result<std::set<VxlanSource>> sources_in_force();

struct CountedRule {
  std::string chain;
  std::string comment;
  bool is_drop = false;
  uint64_t packets = 0;
  uint64_t bytes = 0;
};
// Rules of table mcloud (inet, bridge) that count and have a comment.
Result<std::vector<CountedRule>> counted_rules();

}  // namespace mcloud::network
