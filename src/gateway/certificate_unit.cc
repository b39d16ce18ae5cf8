#include "gateway/certificate_unit.h"

#include "crypto/hash.h"

namespace mcloud::gateway {

std::string domain_unit_id(const std::string& site, const std::string& domain) {
  return site + "_" + crypto::blake2b(domain).hex().substr(0, 16);
}

std::vector<CertificateUnit> certificate_units(const SitePlan& plan, const std::string& gateway_domain) {
  const pb::Site& site = plan.site->site();
  std::vector<CertificateUnit> out;
  if (site.mode() != pb::SITE_HTTP || !site.has_tls() || plan.hosts.empty()) return out;
  if (!site.tls().has_acme()) return {{plan.key, plan.key, plan.hosts, plan.site}};
  CertificateUnit names{plan.key, plan.key, {}, plan.site};
  for (const std::string& host : plan.hosts) {
    bool is_ours = host.ends_with("." + gateway_domain);
    if (is_ours) names.hosts.push_back(host);
    else out.push_back({domain_unit_id(plan.key, host), plan.key, {host}, plan.site});
  }
  if (!names.hosts.empty()) out.insert(out.begin(), std::move(names));
  return out;
}

}  // namespace mcloud::gateway
