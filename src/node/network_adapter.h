// Networks as the room network makes them: all contracts' networks of this node are one desired state.
//
//   RUNTIME/networks/<contract hex>   pb::LocalNetworks as last set, for an agent that starts again
#pragma once

#include <memory>
#include <set>
#include <string>

#include "network/machine.h"
#include "node/ports.h"

namespace mcloud::node {

// Calls are not made at the same time (the reconciler has one lane for networks).
class NetworkAdapter final : public Networks {
 public:
  struct Options {
    std::string folder;                  // RUNTIME/networks
    std::string backplane;               // address
    std::string uplink;                  // interface, "" = none
    int underlay_mtu = 1500;
    std::vector<std::string> forbidden;  // ranges
  };
  // `machine` is borrowed.
  static Result<std::unique_ptr<NetworkAdapter>> open(network::Machine& machine, const Options& options);

  Result<std::map<ContractId, pb::LocalNetworks>> list() override;
  std::map<ContractId, Status> apply(const Change& change) override;

 private:
  NetworkAdapter(network::Machine& machine, std::string folder, network::DesiredNetworks node)
      : machine_(machine), folder_(std::move(folder)), node_(std::move(node)) {}

  network::DesiredNetworks desired() const;
  std::map<ContractId, Status> execute(const network::DesiredNetworks& desired, Error& node_error);
  std::string file_of(const ContractId& contract) const { return folder_ + "/" + contract.hex(); }

  network::Machine& machine_;
  const std::string folder_;
  const network::DesiredNetworks node_;  // what is the same for all contracts
  std::map<ContractId, pb::LocalNetworks> set_;
  std::set<ContractId> undecided_;       // there, but nobody has said yet what they should be: not touched
};

// Invalid names what cannot be understood. Pure.
Status add_networks(const ContractId& contract, const pb::LocalNetworks& local, network::DesiredNetworks& desired);

}  // namespace mcloud::node
