// What a person's machine needs to join a network with plain WireGuard: one file that `wg-quick` and every WireGuard app
// reads. Pure.
#pragma once

#include <string>
#include <vector>

#include "bot/network_view.h"

namespace mcloud::bot {

// Of several access points the one on node `via` ("" = the first that serves). NotFound, Unavailable say what is missing.
Result<AccessPoint> choose_access(const NetworkView& view, const std::string& via);

// Those beside `chosen` that can be called, those that serve first.
std::vector<AccessPoint> other_access(const NetworkView& view, const AccessPoint& chosen);

struct DeviceConfig {
  std::string contract;  // names end with ".CONTRACT.internal"
  const NetworkView* view = nullptr;
  const NetworkDevice* device = nullptr;
  AccessPoint access;
  std::vector<AccessPoint> others;  // named in comments: plain WireGuard knows one endpoint
  std::string server_key;  // base64, public
  std::string secret;      // base64, of the device
};
std::string wireguard_config(const DeviceConfig& config);

}  // namespace mcloud::bot
