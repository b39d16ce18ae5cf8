// The certificates that HAProxy shows, one file per unit: written before HAProxy reads them, and changed in the running process.
// A file holds the chain and the private key, so it lives on tmpfs (RUNTIME) and never in DATA.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "gateway/certificate_unit.h"
#include "gateway/haproxy_config.h"

namespace mcloud::gateway {

// One thread.
class Certificates {
 public:
  explicit Certificates(const HaproxyPaths& paths) : paths_(paths) {}

  // A file for the gateway's own domain and for each unit: the supplied certificate, the one `issued` has (a PEM chain; "" = none
  // yet), or a placeholder signed by itself. Files of units that left go.
  Status prepare(const std::string& domain, const std::vector<CertificateUnit>& units,
                 const std::function<std::string(const CertificateUnit&)>& issued);

  // Files that changed since it was last asked, each as a payload and a commit of the runtime API.
  struct Change {
    std::string set;
    std::string commit;
  };
  std::vector<Change> take_changes();

  // HAProxy's runtime API takes a line and its payload into one buffer of 16 KiB: what is larger must be read at a reload. A hash
  // of those; "" = none.
  std::string large() const;

  uint64_t expires_ms(const std::string& site) const;  // the first of its certificates to expire; 0 = only placeholders
  std::string message(const std::string& site) const;  // what is wrong with one of them; "" = nothing

 private:
  struct Shown {
    std::string site;
    std::string pem;
    uint64_t expires_ms = 0;
    std::string message;
  };
  Result<Shown> choose(const CertificateUnit& unit, const std::string& chain);
  Result<std::string> placeholder(const CertificateUnit& unit);
  Status show(const std::string& id, Shown shown);

  HaproxyPaths paths_;
  std::map<std::string, Shown> shown_;               // by unit
  std::map<std::string, std::string> placeholders_;  // by unit and names: made once
  std::vector<std::string> changed_;
};

}  // namespace mcloud::gateway
