// For tests: a LocalGateway with sites in it, and HAProxy as the judge of what comes of it.
#pragma once

#include <string>

#include "gateway/haproxy_config.h"
#include "io/file.h"
#include "io/process.h"
#include "mcloud/gateway.pb.h"

namespace mcloud::gateway {

inline pb::LocalGateway test_gateway() {
  pb::LocalGateway gateway;
  gateway.set_domain("gw.example");
  gateway.set_http_port(80);
  gateway.set_https_port(443);
  gateway.set_tunnel_port(7443);
  return gateway;
}

// A site at NAME.gw.example of a contract of its own, with one route to two replicas of "web".
inline pb::LocalSite& add_test_site(pb::LocalGateway& gateway, const std::string& name, pb::SiteMode mode = pb::SITE_HTTP) {
  pb::LocalSite& local = *gateway.add_sites();
  std::string contract = name;
  contract.resize(32, 'c');
  local.set_contract(contract);
  local.set_workload("site");
  pb::Site& site = *local.mutable_site();
  site.set_mode(mode);
  if (mode == pb::SITE_HTTP || mode == pb::SITE_TLS) site.add_names(name);
  site.set_retries(2);
  pb::Route& route = *site.add_routes();
  if (mode == pb::SITE_HTTP) route.set_path("/");
  pb::Backend& backend = *route.add_backends();
  backend.set_target("web");
  backend.set_port(8080);
  backend.set_weight(1);
  for (uint32_t index = 0; index < 2; ++index) {
    pb::LocalServer& server = *local.add_servers();
    server.set_target("web");
    server.set_index(index);
    server.set_port(8080);
    server.set_address("10.0.0.1");
    server.set_way_port(30'000 + index);
    server.set_serves(true);
  }
  return local;
}

}  // namespace mcloud::gateway
