// The processes of this room alone, for its tests and figures:
//   gateway_host gateway FOLDER DATA LOGS RESOLVER SEED
//   gateway_host tunnel FOLDER SEED
// SEED is 64 hex digits, "" makes a key; RESOLVER is ADDRESS:PORT, "" the machine's.
#include <cstdio>
#include <string>
#include <vector>

#include "gateway/gateway.h"
#include "gateway/tunnel/tunnel_client.h"

namespace {

using mcloud::Result;
using mcloud::Status;
using mcloud::crypto::SigningKey;

Result<SigningKey> key_of(const std::string& seed) {
  if (seed.empty()) return SigningKey::generate();
  return SigningKey::from_seed(TRY(mcloud::from_hex(seed)));
}

Status run(const std::vector<std::string>& words) {
  if (words.size() == 6 && words[0] == "gateway") {
    SigningKey key = TRY(key_of(words[5]));
    mcloud::gateway::GatewayOptions options;
    options.folder = words[1];
    options.data_folder = words[2];
    options.log_folder = words[3];
    options.resolver = words[4];
    return mcloud::gateway::run_gateway(options, key);
  }
  if (words.size() == 3 && words[0] == "tunnel") {
    SigningKey key = TRY(key_of(words[2]));
    mcloud::gateway::TunnelOptions options;
    options.folder = words[1];
    return mcloud::gateway::run_tunnel(options, key);
  }
  return mcloud::make_error(mcloud::Code::Invalid, "gateway FOLDER DATA LOGS RESOLVER SEED, or tunnel FOLDER SEED");
}

}  // namespace

int main(int count, char** arguments) {
  Status ended = run({arguments + 1, arguments + count});
  if (ended.has_value()) return 0;
  std::fprintf(stderr, "gateway_host: %s\n", ended.error().message.c_str());
  return 1;
}
