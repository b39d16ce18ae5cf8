#include "contract/kinds/reachable.h"

#include <set>

#include "contract/kinds/kv.h"
#include "contract/kinds/network.h"
#include "contract/kinds/site.h"
#include "contract/reference.h"

namespace mcloud::contract {

std::optional<Reachable> reachable(const Workload& workload) {
  if (const Container* container = std::get_if<Container>(&workload.spec)) {
    return Reachable{&container->networks, container->replicas.value, container->ports};
  }
  if (const Kv* kv = std::get_if<Kv>(&workload.spec)) {
    return Reachable{&kv->networks, 1 + kv->followers.value, {Port{std::string(kKvPortName), port_of(*kv), "tcp"}}};
  }
  return std::nullopt;
}

std::vector<pb::Port> ports_of(const pb::WorkloadBody& workload) {
  if (workload.has_container()) return {workload.container().ports().begin(), workload.container().ports().end()};
  if (!workload.has_kv()) return {};
  pb::Port port;
  port.set_name(std::string(kKvPortName));
  port.set_number(workload.kv().port());
  port.set_protocol("tcp");
  return {port};
}

std::vector<std::string> spaces_of(const Contract& contract, const NetworkNames& named) {
  if (!named) {
    std::vector<std::string> networks = names_of<Network>(contract);
    if (networks.size() == 1) return networks;
    return {std::string(kDefaultNetwork)};
  }
  std::set<std::string> names;
  for (const Text& name : *named) names.insert(name.value);
  return {names.begin(), names.end()};
}

Standing standing(const Contract& contract, const Workload& workload) {
  if (std::optional<Reachable> found = reachable(workload)) return {spaces_of(contract, *found->networks), found->replicas};
  if (const Network* network = std::get_if<Network>(&workload.spec); network != nullptr && network->access) {
    return {{workload.name.value}, network->access->replicas.value};
  }
  if (const Publish* publish = std::get_if<Publish>(&workload.spec); publish != nullptr && publish->site) {
    return {site_spaces(contract, *publish->site), gateways_of(*publish->site)};
  }
  return {};
}

const Placement* placement_of(const Workload& workload) {
  if (const Container* container = std::get_if<Container>(&workload.spec)) return &container->placement;
  if (const Kv* kv = std::get_if<Kv>(&workload.spec)) return &kv->placement;
  if (const Network* network = std::get_if<Network>(&workload.spec); network != nullptr && network->access) {
    return &network->access->placement;
  }
  const Publish* publish = std::get_if<Publish>(&workload.spec);
  return publish != nullptr && publish->site ? &publish->site->placement : nullptr;
}

void check_networks(const Contract& contract, const Workload& workload, const NetworkNames& networks, Report& report) {
  if (!networks) return;
  for (const Text& name : *networks) {
    refer<Network>(contract, name, "workloads." + workload.name.value + ".networks", "network", report);
  }
}

}  // namespace mcloud::contract
