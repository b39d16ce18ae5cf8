// The nft rules in the namespaces of containers (what a restricted network allows) and of portals. Pure.
#pragma once

#include <map>
#include <string>

#include "network/firewall.h"

namespace mcloud::network {

struct SpaceRules {
  Rules rules;
  bool forwards = false;  // a portal
};

// By namespace; containers that are in no restricted network have none. `desired` is sifted (sift.h).
std::map<std::string, SpaceRules> space_rules(const DesiredNetworks& desired);

}  // namespace mcloud::network
