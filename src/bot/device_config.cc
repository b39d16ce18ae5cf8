#include "bot/device_config.h"

#include <algorithm>

#include "bot/nearest.h"
#include "network/address.h"

namespace mcloud::bot {
namespace {

// Inside the container's MTU on every node, with WireGuard over IPv6 around it.
constexpr int kDeviceMtu = 1340;
constexpr int kKeepaliveS = 25;

// Names are answered at the network's own end on each node, which is at the same address everywhere.
std::string resolver_of(const NetworkView& view) {
  auto range = network::Range::parse(view.range);
  return range.has_value() ? range->gateway().text() : "";
}

}  // namespace

Result<AccessPoint> choose_access(const NetworkView& view, const std::string& via) {
  if (!view.takes_devices) {
    return make_error(Code::Unsupported, "network " + view.name + " has no access point; its contract says `access:`");
  }
  const AccessPoint* chosen = nullptr;
  std::vector<std::string> nodes;
  for (const AccessPoint& point : view.access) {
    nodes.push_back(point.node);
    if (!via.empty() && point.node != via) continue;
    if (chosen == nullptr || (point.serves && !chosen->serves)) chosen = &point;
  }
  if (chosen == nullptr && !via.empty()) return make_error(Code::NotFound, not_found("access point on node", via, nodes));
  if (chosen == nullptr || chosen->node.empty()) {
    return make_error(Code::Unavailable, "no access point of network " + view.name + " has a place yet; try again");
  }
  if (!chosen->endpoint.empty()) return *chosen;
  return make_error(Code::Unavailable, "the access point is on node " + chosen->node +
                                           ", which takes no calls; put it elsewhere: `access` has placement");
}

std::vector<AccessPoint> other_access(const NetworkView& view, const AccessPoint& chosen) {
  std::vector<AccessPoint> others;
  for (bool serves : {true, false}) {
    for (const AccessPoint& point : view.access) {
      if (point.index != chosen.index && !point.endpoint.empty() && point.serves == serves) others.push_back(point);
    }
  }
  return others;
}

std::string wireguard_config(const DeviceConfig& config) {
  const NetworkView& view = *config.view;
  const std::string zone = config.contract + ".internal";
  const std::string names = resolver_of(view);
  std::string text;
  auto line = [&](const std::string& what) { text += what + "\n"; };
  line("# " + config.device->name + " in network " + view.name + " of " + config.contract);
  line("[Interface]");
  line("PrivateKey = " + config.secret);
  line("Address = " + config.device->address + "/32" +
       (config.device->address6.empty() ? "" : ", " + config.device->address6 + "/128"));
  line("DNS = " + names + ", " + zone);
  line("# All names are asked there. To ask only for the network's own (split DNS) with systemd-resolved, put instead of DNS:");
  line("# PostUp = resolvectl dns %i " + names + " && resolvectl domain %i ~" + zone);
  line("MTU = " + std::to_string(kDeviceMtu));
  line("");
  line("[Peer]");
  line("PublicKey = " + config.server_key);
  line("Endpoint = " + config.access.endpoint);
  line("AllowedIPs = " + view.range + (view.range6.empty() ? "" : ", " + view.range6));
  line("PersistentKeepalive = " + std::to_string(kKeepaliveS));
  if (!config.others.empty()) line("# When this access point does not answer, others do, with the same key. On Linux the tunnel moves while it is up:");
  for (const AccessPoint& other : config.others) {
    line("# wg set INTERFACE peer " + config.server_key + " endpoint " + other.endpoint);
  }
  return text;
}

}  // namespace mcloud::bot
