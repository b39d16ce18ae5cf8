// Inside this room only: the sections of haproxy.cfg, one function each. Pure.
#pragma once

#include <string>
#include <vector>

#include "gateway/haproxy_config.h"
#include "gateway/site_plan.h"

namespace mcloud::gateway {

// Where HTTP comes in and how the sites are told apart.
struct Front {
  const pb::LocalGateway* gateway = nullptr;
  const HaproxyPaths* paths = nullptr;
  bool passes_through = false;  // a site whose own TLS we must not end shares the port
  uint64_t idle_ms = 0;         // the longest of the sites
  uint64_t request_ms = 0;
};

std::string global_section(const HaproxyPaths& paths, const std::string& structure);
std::string defaults_section();

// "  bind 192.0.2.1:80 OPTIONS" and its like for IPv6.
std::string bind_lines(const Front& front, uint32_t port, const std::string& options);
// "  http-request KIND" for what may not connect; "" when everybody may.
std::string allow_acl(const pb::Site& site);

std::string http_frontends(const Front& front);
std::string nobody_backend(const std::string& domain);
std::string http_backend(const Front& front, const SitePlan& plan, int route);

// The port of TLS when something passes through, and what leads the rest to the frontend that ends it.
std::string sni_frontend(const Front& front);
std::string pass_backend(const SitePlan& plan);
std::string raw_frontend(const Front& front, const SitePlan& plan);

// "0123456789abcdef-web-0_3": of a route.
std::string backend_name(const SitePlan& plan, int route);
uint64_t idle_ms_of(const pb::Site& site);
uint64_t request_ms_of(const pb::Site& site);
std::string ms(uint64_t value);

}  // namespace mcloud::gateway
