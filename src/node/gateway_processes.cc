#include "node/gateway_processes.h"

#include "gateway/gateway.h"
#include "gateway/tunnel/tunnel_client.h"
#include "io/file.h"
#include "node/identity.h"

namespace mcloud::node {

Status run_gateway_process(const Config& config) {
  crypto::SigningKey key = TRY(load_or_create_key(config.key_file()));
  gateway::GatewayOptions options;
  options.folder = config.gateway_folder();
  options.data_folder = config.data_folder + "/gateway";
  options.log_folder = config.data_folder + "/containers";  // as those of containers, and shipped with them
  if (!config.resolvers.empty()) {
    const std::string& server = config.resolvers[0];
    options.resolver = (server.find(':') == std::string::npos ? server : "[" + server + "]") + ":53";
  }
  TRY(io::make_folders(options.data_folder, 0700));
  return gateway::run_gateway(options, key);
}

Status run_tunnel_process(const Config& config) {
  crypto::SigningKey key = TRY(load_or_create_key(config.key_file()));
  gateway::TunnelOptions options;
  options.folder = config.tunnel_folder();
  return gateway::run_tunnel(options, key);
}

}  // namespace mcloud::node
