// A contract's networks as they are to be at this moment, and as they are set. Pure.
#pragma once

#include <set>

#include "node/desired.h"

namespace mcloud::node {

// The networks of one contract with publications that lead to those of its replicas that serve: local ones, and all that
// are reached through a portal.
pb::LocalNetworks contract_networks(const Orders& orders, const ContractId& contract,
                                    const std::set<ReplicaKey>& serving);

// Of networks as they are set: is this container a target of a publication?
bool is_published(const pb::LocalNetworks& networks, std::string_view container_id);
// A container that is about to leave keeps its place in the networks, so that what it still answers arrives.
void keep_member(const pb::LocalNetworks& from, std::string_view container_id, pb::LocalNetworks& to);
// Does this namespace stand in a network as it is set?
bool is_member(const pb::LocalNetworks& networks, std::string_view netns);

// Names of those that serve.
std::vector<network::NetworkNames> names_now(const Orders& orders, const std::set<ReplicaKey>& ready);
// What the gateway is to do: servers that do not serve are drained.
pb::LocalGateway gateway_now(const Orders& orders, const std::set<ReplicaKey>& serving);

}  // namespace mcloud::node
