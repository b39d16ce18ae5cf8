#include "gateway/udp_sites.h"

#include <algorithm>

#include "gateway/sections.h"
#include "gateway/tunnel/tunnel_server.h"
#include "gateway/words.h"

namespace mcloud::gateway {
namespace {

constexpr uint32_t kShares = 256;  // of a back end, cut among its replicas

bool carries(const pb::LocalServer& server, const pb::Backend& backend) {
  return server.serves() && server.address().empty() && server.target() == backend.target() && server.port() == backend.port();
}

std::string socket_of(const pb::LocalSite& site, const pb::LocalServer& server, const HaproxyPaths& paths) {
  pb::LocalTunnelTarget target;
  target.set_contract(site.contract());
  target.set_workload(server.target());
  target.set_index(server.index());
  target.set_port(server.port());
  target.set_udp(true);
  return paths.targets() + "/" + target_socket_name(target);
}

}  // namespace

bool is_udp_by_tunnel(const pb::LocalSite& site) {
  return site.site().mode() == pb::SITE_UDP && site.site().exposure() == pb::EXPOSURE_TUNNEL;
}

UdpDoor udp_door(const pb::LocalSite& site, const HaproxyPaths& paths) {
  UdpDoor door;
  door.name = backend_name({&site, site_key(site), {}}, 0);
  door.port = static_cast<uint16_t>(site.site().port());
  // A range that nobody has checked would hold nobody, rather than leave all in.
  for (const std::string& range : site.site().allow()) door.allow.push_back(parse_cidr(range).value_or(IpPrefix{{}, 32}));
  for (const pb::Route& route : site.site().routes()) {
    for (const pb::Backend& backend : route.backends()) {
      auto count = static_cast<uint32_t>(std::ranges::count_if(site.servers(), [&](const auto& server) { return carries(server, backend); }));
      for (const pb::LocalServer& server : site.servers()) {
        if (!carries(server, backend)) continue;
        uint32_t weight = std::max<uint32_t>(1, std::max<uint32_t>(1, backend.weight()) * kShares / count);
        std::string replica = server.target() + "-" + std::to_string(server.index()) + "-" + std::to_string(server.port());
        door.targets.push_back({std::move(replica), socket_of(site, server, paths), weight});
      }
    }
  }
  return door;
}

}  // namespace mcloud::gateway
