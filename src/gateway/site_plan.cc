#include "gateway/site_plan.h"

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "base/result.h"
#include "gateway/words.h"

namespace mcloud::gateway {
namespace {

Error wrong(const std::string& what) { return make_error(Code::Invalid, what); }

bool is_port(uint32_t port) { return port >= 1 && port <= 65535; }

Status check_backend(const pb::Backend& backend) {
  if (!is_workload_name(backend.target())) return wrong("back end \"" + backend.target() + "\" is no workload's name");
  if (!is_port(backend.port())) return wrong("back end " + backend.target() + " has no port");
  if (backend.weight() > 256) return wrong("back end " + backend.target() + " weighs more than 256");
  return {};
}

Status check_route(const pb::Route& route, bool is_http) {
  if (is_http && !is_route_path(route.path())) return wrong("\"" + route.path() + "\" is no path");
  if (!is_http && !route.path().empty()) return wrong("only HTTP has paths");
  if (!route.check_path().empty() && !is_check_path(route.check_path())) return wrong("\"" + route.check_path() + "\" is no path to check");
  for (const pb::Backend& backend : route.backends()) TRY(check_backend(backend));
  return {};
}

Status check_routes(const pb::Site& site) {
  bool is_http = site.mode() == pb::SITE_HTTP;
  if (site.routes().empty() || (!is_http && site.routes_size() != 1)) return wrong("it has no route");
  if (site.routes_size() > 256) return wrong("it has more than 256 routes");
  std::set<std::string> paths;
  for (const pb::Route& route : site.routes()) {
    TRY(check_route(route, is_http));
    if (!paths.insert(route.path()).second) return wrong("path " + route.path() + " is there twice");
  }
  return {};
}

Status check_servers(const pb::LocalSite& site) {
  for (const pb::LocalServer& server : site.servers()) {
    if (!is_workload_name(server.target()) || !is_port(server.port())) return wrong("a replica of no workload");
    if (server.address().empty()) continue;
    if (!is_ip(server.address()) || !is_port(server.way_port())) return wrong("replica " + server.target() + " has no address");
  }
  return {};
}

Status check_site(const pb::LocalSite& local) {
  const pb::Site& site = local.site();
  if (local.contract().size() != 32 || !is_workload_name(local.workload())) return wrong("it is no workload of a contract");
  if (site.mode() < pb::SITE_HTTP || site.mode() > pb::SITE_UDP) return wrong("this gateway does not know its mode");
  for (const std::string& range : site.allow()) {
    if (!is_cidr(range)) return wrong("\"" + range + "\" is no range of addresses");
  }
  if (site.tls().has_acme() && !is_thumbprint(site.tls().acme().account_thumbprint())) return wrong("its ACME account has no thumbprint");
  TRY(check_servers(local));
  if (site.mode() == pb::SITE_UDP) return {};
  return check_routes(site);
}

// Names and ports that sites hold so far.
class Claims {
 public:
  explicit Claims(const pb::LocalGateway& gateway) {
    for (uint32_t port : {gateway.http_port(), gateway.https_port(), gateway.tunnel_port()}) ports_[port] = "the gateway itself";
  }

  Status claim(const pb::LocalSite& local, const SitePlan& plan) {
    if (!keys_.insert(plan.key).second) return wrong("another site has the short name " + plan.key);
    if (local.site().mode() == pb::SITE_UDP) return claim_port(udp_ports_, local.site().port(), plan.key);
    if (local.site().mode() == pb::SITE_TCP) return claim_port(ports_, local.site().port(), plan.key);
    for (const std::string& host : plan.hosts) {
      if (!is_host_name(host)) return wrong("\"" + host + "\" is no name");
      if (auto held = hosts_.find(host); held != hosts_.end()) return wrong(host + " is served for " + held->second);
    }
    for (const std::string& host : plan.hosts) hosts_[host] = plan.key;
    return {};
  }

 private:
  static Status claim_port(std::map<uint32_t, std::string>& ports, uint32_t port, const std::string& key) {
    if (!is_port(port)) return wrong("it has no port");
    auto [held, is_free] = ports.emplace(port, key);
    if (!is_free) return wrong("port " + std::to_string(port) + " is taken by " + held->second);
    return {};
  }

  std::set<std::string> keys_;
  std::map<std::string, std::string> hosts_;
  std::map<uint32_t, std::string> ports_;  // of TCP
  std::map<uint32_t, std::string> udp_ports_;
};

}  // namespace

std::string site_key(const pb::LocalSite& site) {
  return to_hex(BytesView(site.contract()).substr(0, 8)) + "-" + site.workload() + "-" + std::to_string(site.index());
}

std::vector<std::string> hosts_of(const pb::LocalSite& site, const std::string& gateway_domain) {
  std::vector<std::string> hosts(site.site().domains().begin(), site.site().domains().end());
  for (const std::string& name : site.site().names()) hosts.push_back(name + "." + gateway_domain);
  std::ranges::sort(hosts);
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  return hosts;
}

SitePlans plan_sites(const pb::LocalGateway& gateway) {
  SitePlans out;
  Claims claims(gateway);
  for (const pb::LocalSite& local : gateway.sites()) {
    SitePlan plan{&local, site_key(local), {}};
    if (local.site().mode() == pb::SITE_HTTP || local.site().mode() == pb::SITE_TLS) plan.hosts = hosts_of(local, gateway.domain());
    Status checked = check_site(local);
    if (checked.has_value()) checked = claims.claim(local, plan);
    if (checked.has_value()) out.sites.push_back(std::move(plan));
    else out.problems[plan.key] = checked.error().message;
  }
  return out;
}

}  // namespace mcloud::gateway
