// gateway_host FOLDER DATA LOGS [RESOLVER]: the gateway process with a key of its own, for tests and figures of this room.
#include <cstdio>

#include "gateway/gateway.h"

int main(int count, char** arguments) {
  if (count < 4 || count > 5) {
    std::fprintf(stderr, "usage: %s FOLDER DATA LOGS [RESOLVER]\n", arguments[0]);
    return 2;
  }
  mcloud::gateway::GatewayOptions options;
  options.folder = arguments[1];
  options.data_folder = arguments[2];
  options.log_folder = arguments[3];
  if (count > 4) options.resolver = arguments[4];
  mcloud::Status ended = mcloud::gateway::run_gateway(options, mcloud::crypto::SigningKey::generate());
  if (ended.has_value()) return 0;
  std::fprintf(stderr, "gateway_host: %s\n", ended.error().message.c_str());
  return 1;
}
