// Networks as the room network makes them: all contracts' networks of this node are one desired state, of which a change
// has only those compared and read again that it is about. Now and then, and after a restart, all are.
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
#include "network/planner.h"
#include "node/device_places.h"
#include "node/mesh_keeper.h"
#include "node/mesh_needs_book.h"
#include "node/ports.h"
#include "node/site_orders.h"
#include "node/trouble_book.h"

namespace mcloud::node {

// Calls are not made at the same time (the reconciler has one lane for networks).
class NetworkAdapter final : public Networks {
 public:
  struct Options {
    std::string folder;                  // RUNTIME/networks
    std::function<std::string()> backplane;  // the address as it is now, "" = none; absent: none
    std::string uplink;                  // interface, "" = none
    int underlay_mtu = 1500;
    std::vector<std::string> forbidden;  // ranges of either family
    std::vector<std::string> forbidden_services;  // "ADDRESS:PORT"
    std::map<std::string, std::string> bridges;  // interfaces by the name of the physical network
    std::string netns_folder = "/run/netns";
    uint64_t figures_every_ms = 10'000;
    uint64_t check_every_ms = 60'000;  // all of the machine, for what others did to it
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

  // What executing came to: the failures of contracts, and of what belongs to none.
  struct Failures {
    std::map<ContractId, Status> contracts;
    Error node;
  };

  void keep(const ContractId& contract, const pb::LocalNetworks& networks);
  void forget(const ContractId& contract);
  void wish(const ContractId& contract, const pb::LocalNetworks& networks);
  void wish_all();
  void follow_ways();
  Failures execute();
  Failures execute_steps(const std::vector<network::NetworkStep>& steps, const network::ActualNetworks& seen);
  std::optional<ContractId> owner_of(const network::NetworkStep& step, const network::ActualNetworks& seen) const;
  Status prepare_mesh();
  void lead_to_slots(network::Network& network);
  Status encrypt();
  void note_transits(const network::Scope& scope, const network::ActualNetworks& seen);
  void note_figures();
  Status tend_mesh();
  Status check_all();
  Status apply_again();
  bool follow_backplane();
  Status tend_devices();
  void place_devices(network::Network& network) const;
  void assume_devices(const network::ActualNetworks& actual);
  std::string file_of(const ContractId& contract) const { return options_.folder + "/" + contract.hex(); }

  network::Machine& machine_;
  MeshKeeper* mesh_keeper_;
  const Clock& clock_;
  const Options options_;
  network::DesiredNetworks node_;  // what is the same for all contracts
  std::map<ContractId, pb::LocalNetworks> set_;
  std::set<ContractId> undecided_;       // there, but nobody has said yet what they should be: not touched
  std::map<uint32_t, std::set<ContractId>> by_vni_;  // of set_
  network::Planner planner_;
  MeshNeedsBook needs_;                  // of set_
  std::map<uint32_t, std::map<uint32_t, uint32_t>> slots_;  // of peers, by network and number; as MeshKeeper says
  bool is_way_other_ = false;            // slots_ has to be asked for again
  uint64_t next_check_ms_ = 0;
  pb::LocalMesh mesh_;
  DevicePlaces places_;           // of networks with several access points
  uint64_t placed_revision_ = 0;  // of places_, as the machine has it
  mutable std::mutex mutex_;
  std::map<Transit, network::Ipv4> transits_;
  TroubleBook troubles_;  // with what belongs to nobody
  Figures figures_;
  uint64_t next_figures_ms_ = 0;
};

}  // namespace mcloud::node
