// Which certificates a site needs: one for its names under the gateway's domain, one for each custom domain, because a domain whose
// address does not lead here yet must not keep the others from theirs. Supplied: one for all. Pure.
#pragma once

#include <string>
#include <vector>

#include "gateway/site_plan.h"

namespace mcloud::gateway {

struct CertificateUnit {
  std::string id;    // of its files: site_key(), or that and a hash of the domain
  std::string site;  // site_key()
  std::vector<std::string> hosts;
  const pb::LocalSite* local = nullptr;  // borrowed from the LocalGateway
};

// Of the certificate for one custom domain.
std::string domain_unit_id(const std::string& site, const std::string& domain);

// None for a site that ends no TLS here.
std::vector<CertificateUnit> certificate_units(const SitePlan& plan, const std::string& gateway_domain);

}  // namespace mcloud::gateway
