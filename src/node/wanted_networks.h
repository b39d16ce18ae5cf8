// The networks of contracts as they are to be, made again only where orders or who serves have changed. Pure.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "node/desired.h"

namespace mcloud::node {

// The hash is asked for at every plan.
struct HashedNetworks {
  explicit HashedNetworks(const pb::LocalNetworks& networks);
  pb::LocalNetworks local;
  Hash hash;
};

class WantedNetworks {
 public:
  // From now on of these orders. What they say as the ones before did is kept.
  void take(const Orders& orders);
  // contract_networks() of the orders last taken.
  std::shared_ptr<const HashedNetworks> of(const Orders& orders, const ContractId& contract, const std::set<ReplicaKey>& serving);

  size_t made() const { return made_; }  // how often one was made: the measure of its work

 private:
  struct Kept {
    Hash orders;               // of what they say of it
    std::vector<bool> served;  // targets of its publications, in order
    std::shared_ptr<const HashedNetworks> networks;
  };
  std::map<ContractId, Kept> kept_;
  size_t made_ = 0;
};

}  // namespace mcloud::node
