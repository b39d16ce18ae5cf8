// Which sites can be served, under which names and ports: checks of what the agent wants, and clashes between sites. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mcloud/gateway.pb.h"

namespace mcloud::gateway {

struct SitePlan {
  const pb::LocalSite* site = nullptr;  // borrowed from the LocalGateway
  std::string key;                      // site_key()
  std::vector<std::string> hosts;       // whole names, sorted; none with raw ports
};

struct SitePlans {
  std::vector<SitePlan> sites;                  // in the order of the LocalGateway
  std::map<std::string, std::string> problems;  // site_key() -> one message
};

// "0123456789abcdef-web-0": contract's first 8 bytes, workload, index. As log folders and certificates are named.
std::string site_key(const pb::LocalSite& site);

// Whole names a site asks for, domains included, sorted; nothing is checked.
std::vector<std::string> hosts_of(const pb::LocalSite& site, const std::string& gateway_domain);

// Of two sites that want one name or port the first one has it.
SitePlans plan_sites(const pb::LocalGateway& gateway);

}  // namespace mcloud::gateway
