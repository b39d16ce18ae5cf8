// Inside this room only: the part of a wish for networks that can be fulfilled. Pure.
#pragma once

#include <string>
#include <vector>

#include "network/plan.h"

namespace mcloud::network {

struct Sifted {
  DesiredNetworks desired;  // members and remotes sorted; what remains fits together
  std::vector<std::string> complaints;
  std::vector<size_t> networks_from, publications_from;  // where in the wish each was

  void complain(const std::string& what) { complaints.push_back(what); }
};

// Of what contradicts itself or what came before it, the first one stays.
Sifted sift(const DesiredNetworks& desired);

// Transit links that a network takes.
size_t transits_of(const Network& network);

// The gateway's portals of a network: those that are not for people.
std::vector<Member> gateway_portals(const Network& network);
const Member* access_portal(const Network& network);
// The WireGuard device of its access point, if it has one.
std::optional<WireGuardDevice> access_device(const Network& network, int underlay_mtu);

}  // namespace mcloud::network
