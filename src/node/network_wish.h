// From what a contract's networks are to be on this node to what the room network makes of them. Pure.
#pragma once

#include <map>
#include <string>

#include "mcloud/node.pb.h"
#include "network/plan.h"

namespace mcloud::node {

// Adds them to `desired`. `bridges`: interfaces of this node by the name of the physical network. Invalid names what
// cannot be understood; Unsupported: this node has no such bridge. Then nothing is added.
Status add_networks(const ContractId& contract, const pb::LocalNetworks& local,
                    const std::map<std::string, std::string>& bridges, network::DesiredNetworks& desired);

}  // namespace mcloud::node
