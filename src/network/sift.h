// Inside this room only: the part of a wish for networks that can be fulfilled. Pure.
#pragma once

#include <string>
#include <vector>

#include "network/plan.h"

namespace mcloud::network {

struct Sifted {
  DesiredNetworks desired;  // members and remotes sorted; what remains fits together
  std::vector<std::string> complaints;

  void complain(const std::string& what) { complaints.push_back(what); }
};

// Of what contradicts itself or what came before it, the first one stays.
Sifted sift(const DesiredNetworks& desired);

// The gateway's portals of a network: those that are not for people.
std::vector<Member> gateway_portals(const Network& network);
const Member* access_portal(const Network& network);

}  // namespace mcloud::network
