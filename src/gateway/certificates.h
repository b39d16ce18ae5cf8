// The certificates that HAProxy shows, one file per site: written before HAProxy reads them, and changed in the running process.
// A file holds the chain and the private key, so it lives on tmpfs (RUNTIME) and never in DATA.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "gateway/haproxy_config.h"
#include "gateway/site_plan.h"

namespace mcloud::gateway {

// One thread.
class Certificates {
 public:
  explicit Certificates(const HaproxyPaths& paths) : paths_(paths) {}

  // A file for the gateway's own domain and for each site that ends TLS here: the supplied certificate, the one `issued` has for
  // the site (a PEM chain; "" = none yet), or a placeholder. Files of sites that left go.
  Status prepare(const std::string& domain, const std::vector<SitePlan>& plans,
                 const std::function<std::string(const SitePlan&)>& issued);

  // Files that HAProxy has read before they changed, as commands of the runtime API; it forgets them.
  std::vector<std::string> take_changes();

  uint64_t expires_ms(const std::string& key) const;       // 0 = a placeholder
  std::string message(const std::string& key) const;       // what is wrong with a site's certificate; "" = nothing

 private:
  struct Shown {
    std::string pem;
    uint64_t expires_ms = 0;
    std::string message;
  };
  Result<Shown> choose(const SitePlan& plan, const std::string& chain);
  Status show(const std::string& key, Shown shown);

  HaproxyPaths paths_;
  std::map<std::string, Shown> shown_;
  std::map<std::string, std::string> placeholders_;  // by names and key: made once
  std::vector<std::string> changed_;
};

}  // namespace mcloud::gateway
