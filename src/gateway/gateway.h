// The gateway process of a node: turns pb::LocalGateway (a file its agent replaces) into a running HAProxy, tunnels, certificates
// and access logs. docs/design/network.md 3.
#pragma once

#include <string>

#include "base/result.h"
#include "crypto/sign.h"

namespace mcloud::gateway {

struct GatewayOptions {
  std::string folder;        // RUNTIME/gateway: wanted, state, HAProxy's configuration and sockets, targets/
  std::string data_folder;   // DATA/gateway: certificates and ACME orders, 0700; survive reboots
  std::string log_folder;    // access logs: CONTRACT16-WORKLOAD-INDEX/log, in the format of containers' logs
  std::string haproxy = "haproxy";
  std::string resolver;      // "192.0.2.53:53" for TXT records; "" = the machine's
};

// Until SIGTERM or SIGINT; HAProxy's last connections get 10 s. An error says why it could not begin.
Status run_gateway(const GatewayOptions& options, const crypto::SigningKey& node_key);

}  // namespace mcloud::gateway
