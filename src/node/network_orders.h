// A contract's networks on this node: who stands in them here and elsewhere, what carries them, what is allowed, what
// people see of it. Pure.
#pragma once

#include "network/resolver.h"
#include "node/peer_book.h"
#include "node/site_orders.h"
#include "mcloud/node.pb.h"

namespace mcloud::node {

// What a contract's containers find by name in one of its networks; `members`: all of them, whether they serve or not.
struct NamesOrder {
  ContractId contract;
  network::NetworkNames names;  // without client: the adapter knows it
};

struct NetworkOrders {
  pb::LocalNetworks networks;  // without publications; empty: none here
  std::vector<Publication> publications;
  std::vector<NamesOrder> names;
  std::map<NodeId, Reach> reach;  // where nodes of remotes are asked whether they are there
};

// A lease that cannot be read, a peer that has no key yet, a device without an access point are left out: the next
// state of the ledger brings them.
NetworkOrders network_orders(const ContractFacts& facts, const SiteOrders& sites);

// The ports that a workload says it has: for SRV records. By the newest body.
std::vector<network::ServedMember::Port> ports_of(const pb::WorkloadBody& body);

}  // namespace mcloud::node
