#include "contract/disclosure.h"

#include <set>

#include "contract/header.h"

namespace mcloud::contract {
namespace {

std::string target_names(const pb::Site& site) {
  std::set<std::string> names;
  for (const pb::Route& route : site.routes()) {
    for (const pb::Backend& backend : route.backends()) names.insert(backend.target());
  }
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Disclosure of_site(const std::string& workload, const pb::Site& site) {
  Disclosure out{workload, "publish", true, "", false, {}};
  switch (site.mode()) {
    case pb::SITE_TLS:
      out.gateways_read = false;
      out.who = "nobody in between: " + target_names(site) + " ends TLS, gateways see names and sizes";
      break;
    case pb::SITE_HTTP:
      out.who = site.has_tls() ? "the gateways, which end its TLS"
                               : "the gateways, and everybody on the way to them: it has no TLS";
      break;
    default:
      out.who = "the gateways, and everybody on the way to them, unless " + target_names(site) + " encrypts it";
      break;
  }
  return out;
}

Disclosure of_network(const pb::ContractHeader& header, const std::string& workload, const pb::NetworkBody& network) {
  Disclosure out{workload, "network", false, "", network.has_access(), {}};
  switch (effective_encryption(network)) {
    case pb::ENCRYPTION_WIREGUARD: out.who = "its own nodes; encrypted between them, with the nodes' keys"; break;
    case pb::ENCRYPTION_DEDICATED: out.who = "its own nodes; encrypted between them, with keys of its own"; break;
    default:
      out.who = "everybody on the backplane: it is not encrypted";
      if (!network.bridge().empty()) out.who += ", and everybody on " + network.bridge() + ", to which it is bridged";
      break;
  }
  for (const pb::AddressSpace& space : header.spaces()) {
    if (space.name() == workload) out.members.assign(space.members().begin(), space.members().end());
  }
  return out;
}

}  // namespace

std::vector<Disclosure> disclosures(const ContractView& view) {
  std::vector<Disclosure> out;
  for (const pb::WorkloadBody& workload : view.body.workloads()) {
    if (workload.has_network()) out.push_back(of_network(view.header, workload.name(), workload.network()));
    if (workload.publish().has_site()) out.push_back(of_site(workload.name(), workload.publish().site()));
  }
  return out;
}

}  // namespace mcloud::contract
