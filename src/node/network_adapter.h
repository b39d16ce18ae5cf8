// Networks as the room network makes them: all contracts' networks of this node are one desired state.
//
//   RUNTIME/networks/<contract hex>   pb::LocalNetworks as last set, for an agent that starts again
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>  // other lanes ask where links lead
#include <set>
#include <string>

#include "network/machine.h"
#include "node/device_places.h"
#include "node/mesh_keeper.h"
#include "node/ports.h"
#include "node/site_orders.h"

namespace mcloud::node {

// Calls are not made at the same time (the reconciler has one lane for networks).
class NetworkAdapter final : public Networks {
 public:
  struct Options {
    std::string folder;                  // RUNTIME/networks
    std::function<std::string()> backplane;  // the address as it is now, "" = none; absent: none
    std::string uplink;                  // interface, "" = none
    int underlay_mtu = 1500;
    std::vector<std::string> forbidden;  // ranges
    std::map<std::string, std::string> bridges;  // interfaces by the name of the physical network
    std::string netns_folder = "/run/netns";
    uint64_t figures_every_ms = 10'000;
  };
  // All are borrowed; `mesh` may be absent: then no network is encrypted here.
  static Result<std::unique_ptr<NetworkAdapter>> open(network::Machine& machine, MeshKeeper* mesh, const Clock& clock,
                                                      const Options& options);

  Result<std::map<ContractId, pb::LocalNetworks>> list() override;
  std::map<ContractId, Status> apply(const Change& change) override;
  Status tend() override;

  Figures figures() const override;

  // From any thread: addresses of links that lead into networks, as they were after the last change.
  std::map<Transit, network::Ipv4> transits() const;

 private:
  NetworkAdapter(network::Machine& machine, MeshKeeper* mesh, const Clock& clock, const Options& options,
                 network::DesiredNetworks node)
      : machine_(machine), mesh_keeper_(mesh), clock_(clock), options_(options), node_(std::move(node)) {}

  network::DesiredNetworks desired() const;
  std::map<ContractId, Status> execute(const network::DesiredNetworks& desired, Error& node_error);
  Status prepare_mesh();
  void lead_to_slots(network::DesiredNetworks& desired) const;
  Status encrypt(const network::DesiredNetworks& desired);
  void note_transits(const network::DesiredNetworks& desired);
  void note_figures();
  Status tend_mesh();
  Status tend_devices();
  Status apply_again();
  void place_devices(network::DesiredNetworks& desired) const;
  void assume_devices(const network::ActualNetworks& actual);
  bool follow_backplane();
  std::string file_of(const ContractId& contract) const { return options_.folder + "/" + contract.hex(); }

  network::Machine& machine_;
  MeshKeeper* mesh_keeper_;
  const Clock& clock_;
  const Options options_;
  network::DesiredNetworks node_;  // what is the same for all contracts
  std::map<ContractId, pb::LocalNetworks> set_;
  std::set<ContractId> undecided_;       // there, but nobody has said yet what they should be: not touched
  pb::LocalMesh mesh_;
  DevicePlaces places_;           // of networks with several access points
  uint64_t placed_revision_ = 0;  // of places_, as the machine has it
  mutable std::mutex mutex_;
  std::map<Transit, network::Ipv4> transits_;
  Figures figures_;
  uint64_t next_figures_ms_ = 0;
};

}  // namespace mcloud::node
