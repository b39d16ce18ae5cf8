#include "gateway/servers.h"

#include <algorithm>

#include "crypto/hash.h"
#include "gateway/tunnel/tunnel_server.h"

namespace mcloud::gateway {
namespace {

constexpr uint32_t kWeightMax = 256;
constexpr uint64_t kCheckMsDefault = 2'000;

bool carries(const pb::LocalServer& server, const pb::Backend& backend) {
  return server.target() == backend.target() && server.port() == backend.port();
}

std::string socket_of(const pb::LocalSite& site, const pb::LocalServer& server) {
  pb::LocalTunnelTarget target;
  target.set_contract(site.contract());
  target.set_workload(server.target());
  target.set_index(server.index());
  target.set_port(server.port());
  return target_socket_name(target);
}

std::string address_of(const pb::LocalSite& site, const pb::LocalServer& server, const HaproxyPaths& paths) {
  if (server.address().empty()) return "unix@" + paths.seen_in_jail("targets/" + socket_of(site, server));
  bool is_v6 = server.address().find(':') != std::string::npos;
  return (is_v6 ? "ipv6@" : "ipv4@") + server.address() + ":" + std::to_string(server.way_port());
}

// A check that fails twice takes a server out; a connection that fails makes the next check come at once. TCP connections of a
// dead server are ended, as nothing else would tell their clients; HTTP requests in flight get their own end.
std::string options_of(const pb::LocalSite& site, const pb::Route& route) {
  uint64_t every = std::clamp<uint64_t>(route.check_ms() == 0 ? kCheckMsDefault : route.check_ms(), 100, 3'600'000);
  auto ms = [](uint64_t value) { return std::to_string(value) + "ms"; };
  std::string out = "check inter " + ms(every) + " fastinter " + ms(std::min<uint64_t>(every, 300)) + " downinter " +
                    ms(std::min<uint64_t>(every, 1'000)) + " fall 2 rise 1 observe layer4 error-limit 2 on-error fastinter";
  if (site.site().mode() != pb::SITE_HTTP) return out + " on-marked-down shutdown-sessions";
  return route.h2() ? out + " proto h2" : out;
}

// Shares of back ends as weights of one replica each, before they are scaled.
double weight_of(const pb::LocalSite& site, const pb::Backend& backend) {
  auto serving = std::ranges::count_if(site.servers(), [&](const pb::LocalServer& server) { return server.serves() && carries(server, backend); });
  return serving == 0 ? 0 : std::max<uint32_t>(backend.weight(), 1) / static_cast<double>(serving);
}

}  // namespace

std::vector<HaproxyServer> servers_of(const pb::LocalSite& site, const pb::Route& route, const HaproxyPaths& paths) {
  double heaviest = 0;
  for (const pb::Backend& backend : route.backends()) heaviest = std::max(heaviest, weight_of(site, backend));
  std::vector<HaproxyServer> out;
  for (const pb::Backend& backend : route.backends()) {
    double weight = heaviest == 0 ? 0 : weight_of(site, backend) / heaviest * kWeightMax;
    for (const pb::LocalServer& server : site.servers()) {
      if (!carries(server, backend)) continue;
      HaproxyServer entry;
      entry.address = address_of(site, server, paths);
      entry.options = options_of(site, route);
      std::string replica = server.target() + "-" + std::to_string(server.index()) + "-" + std::to_string(server.port());
      entry.name = replica + "-" + crypto::blake2b(entry.address + " " + entry.options).short_hex();
      entry.weight = server.serves() ? std::max<uint32_t>(static_cast<uint32_t>(weight + 0.5), 1) : 0;
      if (route.sticky()) entry.cookie = crypto::blake2b(site.contract() + replica).hex().substr(0, 16);
      out.push_back(std::move(entry));
    }
  }
  std::ranges::sort(out, {}, &HaproxyServer::name);
  auto same = std::ranges::unique(out, {}, &HaproxyServer::name);
  out.erase(same.begin(), same.end());
  return out;
}

}  // namespace mcloud::gateway
