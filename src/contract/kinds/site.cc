#include "contract/kinds/site.h"

#include <algorithm>
#include <set>

#include "base/units.h"
#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/kinds/network.h"
#include "contract/kinds/reachable.h"
#include "contract/kinds/service.h"
#include "contract/secrets.h"
#include "contract/web_syntax.h"
#include "crypto/box.h"
#include "crypto/web_key.h"

namespace mcloud::contract {
namespace {

namespace defaults {
constexpr uint32_t kGateways = 2;  // one may die
constexpr std::string_view kDirectory = "https://acme-v02.api.letsencrypt.org/directory";
constexpr uint32_t kConnectMs = 2000;
constexpr uint64_t kHttpIdleMs = 300'000;   // WebSockets are pinged every minute or so
constexpr uint64_t kRawIdleMs = 3'600'000;  // connections to databases rest in pools
constexpr uint64_t kRequestMs = 10'000;     // against clients that never finish asking
constexpr uint64_t kResponseMs = 60'000;
constexpr uint32_t kRetries = 2;
constexpr uint64_t kCheckMs = 1000;
}  // namespace defaults

Port port_of(const Contract& contract, const Backend& backend) {
  return target_port(contract, backend.target.value, backend.port.value).value_or(Port{});
}

// The path that its own health check asks for, when it asks at this port.
std::string own_check(const Contract& contract, const Backend& backend) {
  const Container* container = contract.find_as<Container>(backend.target.value);
  if (container == nullptr || !container->health || container->health->how != HealthCheck::How::Http) return "";
  const Port* checked = find_port(*container, container->health->port.value);
  if (checked == nullptr || checked->number != port_of(contract, backend).number) return "";
  return kCheckPathRule.holds(container->health->path) ? container->health->path : "";
}

// Common to all back ends of the route, else a connection has to do.
std::string check_path_of(const Contract& contract, const SiteRoute& route) {
  if (route.check_path) return *route.check_path;
  if (route.h2 || route.backends.empty()) return "";
  std::string path = own_check(contract, route.backends.front());
  for (const Backend& backend : route.backends) {
    if (own_check(contract, backend) != path) return "";
  }
  return path;
}

void compile_route(const Contract& contract, const SiteRoute& route, pb::SiteMode mode, pb::Route& out) {
  const bool is_http = mode == pb::SITE_HTTP;
  // Requests are alike; connections last.
  const pb::Balance balance = is_http || mode == pb::SITE_UDP ? pb::BALANCE_ROUND_ROBIN : pb::BALANCE_LEAST_CONNECTIONS;
  if (is_http) out.set_path(route.path.empty() ? "/" : route.path);
  out.set_balance(route.balance ? route.balance->value : balance);
  out.set_sticky(route.sticky);
  out.set_h2(route.h2);
  out.set_strip(route.strip);
  if (is_http) out.set_check_path(check_path_of(contract, route));
  if (mode != pb::SITE_UDP) out.set_check_ms(route.check_ms.value_or(defaults::kCheckMs));
  for (const Backend& backend : route.backends) {
    pb::Backend& target = *out.add_backends();
    target.set_target(backend.target.value);
    target.set_port(port_of(contract, backend).number);
    target.set_weight(backend.weight);
  }
  std::sort(out.mutable_backends()->begin(), out.mutable_backends()->end(),
            [](const pb::Backend& a, const pb::Backend& b) {
              return std::pair(a.target(), a.port()) < std::pair(b.target(), b.port());
            });
}

void compile_routes(const Contract& contract, const Site& site, pb::Site& out) {
  for (const SiteRoute& route : site.routes) compile_route(contract, route, out.mode(), *out.add_routes());
  // The longest that fits is the first that fits.
  std::sort(out.mutable_routes()->begin(), out.mutable_routes()->end(), [](const pb::Route& a, const pb::Route& b) {
    return a.path().size() != b.path().size() ? a.path().size() > b.path().size() : a.path() < b.path();
  });
}

void compile_limits(const Site& site, pb::Site& out) {
  auto value = [](const auto& written, uint64_t otherwise) { return written ? written->value : otherwise; };
  out.set_body_max_bytes(value(site.body_max_bytes, 0));
  if (out.mode() == pb::SITE_UDP) return;
  const bool is_http = out.mode() == pb::SITE_HTTP;
  out.set_connect_ms(static_cast<uint32_t>(value(site.connect_ms, defaults::kConnectMs)));
  out.set_idle_ms(value(site.idle_ms, is_http ? defaults::kHttpIdleMs : defaults::kRawIdleMs));
  if (out.mode() != pb::SITE_TCP) out.set_request_ms(value(site.request_ms, defaults::kRequestMs));
  if (is_http) out.set_response_ms(value(site.response_ms, defaults::kResponseMs));
  out.set_retries(site.retries.value_or(defaults::kRetries));
}

bool is_web_key(const Bytes& pem) { return crypto::web_key_thumbprint(pem).has_value(); }

void compile_acme(CompileScope& scope, const Workload& workload, const SiteTls& tls, pb::Acme& out) {
  out.set_directory(tls.directory.value_or(std::string(defaults::kDirectory)));
  out.set_email(tls.email.value_or(""));
  CompileScope::Made account =
      scope.keep_or_make(workload, std::string(kAcmeAccountField), crypto::make_web_key, is_web_key);
  out.set_account_thumbprint(crypto::web_key_thumbprint(account.value).value_or(""));
  *out.mutable_account_key() = std::move(account.secret);
  crypto::wipe(account.value);
  CompileScope::Made key = scope.keep_or_make(workload, std::string(kTlsKeyField), crypto::make_web_key, is_web_key);
  *out.mutable_private_key() = std::move(key.secret);
  crypto::wipe(key.value);
}

void compile_supplied(CompileScope& scope, const Workload& workload, const SiteTls& tls, pb::Supplied& out) {
  if (!tls.chain || !tls.key) return;
  const std::string field = "workloads." + workload.name.value + ".tls";
  Result<Bytes> chain = scope.resolver().secret_value(tls.chain->value);
  Result<Bytes> key = scope.resolver().secret_value(tls.key->value);
  if (!chain) return scope.report().add(tls.chain->place, field + ".chain", chain.error().message);
  if (!key) return scope.report().add(tls.key->place, field + ".key", key.error().message);
  Status fits = kChainRule.holds(*chain)
                    ? crypto::check_certificate_key(*chain, *key)
                    : Status(make_error(Code::Invalid, "is not " + std::string(kChainRule.allowed)));
  crypto::wipe(*key);
  if (!fits) return scope.report().add(tls.place, field, fits.error().message);
  out.set_chain(std::move(*chain));
  *out.mutable_private_key() = scope.seal(workload, std::string(kTlsKeyField), *tls.key);
}

void compile_tls(CompileScope& scope, const Workload& workload, const Site& site, pb::Site& out) {
  if (!site.tls || site.tls->how == SiteTls::How::None || site.tls->how == SiteTls::How::Passthrough) return;
  pb::Tls& tls = *out.mutable_tls();
  tls.set_redirect(!site.redirect || site.redirect->value);
  tls.set_hsts_s(site.hsts_ms ? site.hsts_ms->value / 1000 : 0);
  if (site.tls->how == SiteTls::How::Acme) {
    compile_acme(scope, workload, *site.tls, *tls.mutable_acme());
  } else {
    compile_supplied(scope, workload, *site.tls, *tls.mutable_supplied());
  }
}

template <typename List>
std::vector<std::string> sorted_texts(const List& texts) {
  std::set<std::string> out;
  for (const Text& text : texts) out.insert(text.value);
  return {out.begin(), out.end()};
}

std::string whose(const pb::Site& site) {
  std::string out;
  for (const std::string& name : site.names()) out += (out.empty() ? "" : ", ") + name;
  for (const std::string& domain : site.domains()) out += (out.empty() ? "" : ", ") + domain;
  return out;
}

std::string targets_text(const pb::Site& site) {
  std::set<std::string> targets;
  for (const pb::Route& route : site.routes()) {
    for (const pb::Backend& backend : route.backends())
      targets.insert(backend.target() + ":" + std::to_string(backend.port()));
  }
  std::string out;
  for (const std::string& target : targets) out += (out.empty() ? "" : ", ") + target;
  return out;
}

}  // namespace

pb::SiteMode mode_of(const Contract& contract, const Site& site) {
  if (site.port) {
    bool is_udp = !site.routes.empty() && !site.routes.front().backends.empty() &&
                  port_of(contract, site.routes.front().backends.front()).protocol == "udp";
    return is_udp ? pb::SITE_UDP : pb::SITE_TCP;
  }
  return site.tls && site.tls->how == SiteTls::How::Passthrough ? pb::SITE_TLS : pb::SITE_HTTP;
}

uint32_t gateways_of(const Site& site) { return site.gateways ? site.gateways->value : defaults::kGateways; }

std::optional<Port> target_port(const Contract& contract, std::string_view target, std::string_view port) {
  const Workload* workload = contract.find(target);
  std::optional<Reachable> found = workload == nullptr ? std::nullopt : reachable(*workload);
  if (!found || (port.empty() && found->ports.size() != 1)) return std::nullopt;
  for (const Port& candidate : found->ports) {
    if (port.empty() || is_named(candidate, port)) return candidate;
  }
  return std::nullopt;
}

std::vector<std::string> site_spaces(const Contract& contract, const Site& site) {
  if (site.networks) return sorted_texts(*site.networks);
  std::set<std::string> targets, spaces;
  for (const SiteRoute& route : site.routes) {
    for (const Backend& backend : route.backends) targets.insert(backend.target.value);
  }
  for (const std::string& name : targets) {
    const Workload* target = contract.find(name);
    std::optional<Reachable> found = target == nullptr ? std::nullopt : reachable(*target);
    if (!found) continue;
    std::vector<std::string> theirs = spaces_of(contract, *found->networks);
    bool is_met =
        std::any_of(theirs.begin(), theirs.end(), [&](const std::string& space) { return spaces.contains(space); });
    if (!is_met && !theirs.empty()) spaces.insert(theirs.front());
  }
  return {spaces.begin(), spaces.end()};
}

std::vector<SiteTarget> targets_of(const Contract& contract, const Workload& workload) {
  const Publish* publish = std::get_if<Publish>(&workload.spec);
  if (publish == nullptr || !publish->site) return {};
  const std::vector<std::string> ours = site_spaces(contract, *publish->site);
  std::map<std::pair<std::string, uint32_t>, SiteTarget> out;
  for (const SiteRoute& route : publish->site->routes) {
    for (const Backend& backend : route.backends) {
      std::optional<Port> port = target_port(contract, backend.target.value, backend.port.value);
      if (!port) continue;
      SiteTarget target{backend.target.value, *port, {}};
      for (const std::string& space : spaces_of(contract, *reachable(*contract.find(backend.target.value))->networks)) {
        if (contains(ours, space)) target.spaces.push_back(space);
      }
      out.emplace(std::pair(target.name, port->number), std::move(target));
    }
  }
  std::vector<SiteTarget> list;
  for (auto& [key, target] : out) list.push_back(std::move(target));
  return list;
}

bool is_gateways_own(std::string_view protocol, uint64_t port) {
  if (protocol == "tcp") return port == 80 || port == 443;
  return port >= network_bounds::kMeshPorts.min && port <= network_bounds::kMeshPorts.max;
}

std::string site_claim(const pb::Site& site) {
  if (site.mode() != pb::SITE_TCP && site.mode() != pb::SITE_UDP) return "";
  return claim_name(site.mode() == pb::SITE_UDP ? "udp" : "tcp", site.port());
}

void compile_site(CompileScope& scope, const Workload& workload, const Site& site, pb::Facets& facets,
                  pb::PublishBody& body) {
  pb::Site& out = *body.mutable_site();
  out.set_mode(mode_of(scope.contract(), site));
  for (std::string& name : sorted_texts(site.names)) out.add_names(std::move(name));
  for (std::string& domain : sorted_texts(site.domains)) out.add_domains(std::move(domain));
  if (site.port) out.set_port(site.port->value);
  compile_routes(scope.contract(), site, out);
  compile_tls(scope, workload, site, out);
  out.set_exposure(site.exposure ? site.exposure->value : pb::EXPOSURE_AUTO);
  compile_limits(site, out);
  const std::set<std::string> ranges(site.allow.begin(), site.allow.end());
  for (const std::string& range : ranges) out.add_allow(range);
  compile_service(scope, workload, {site.placement, gateways_of(site), kGatewayLabel}, facets);
  *facets.mutable_names() = out.names();
  for (std::string& space : site_spaces(scope.contract(), site)) facets.add_spaces(std::move(space));
  if (std::string claim = site_claim(out); !claim.empty()) facets.add_claims(std::move(claim));
}

std::string summarize_site(const pb::Facets& facets, const pb::Site& site) {
  std::string text = site_claim(site).empty() ? whose(site) : site_claim(site);
  text += " at " + std::to_string(facets.replicas()) + (facets.replicas() == 1 ? " gateway" : " gateways") + " to " +
          targets_text(site);
  if (site.mode() == pb::SITE_TLS) text += ", TLS passed through";
  if (site.mode() == pb::SITE_HTTP) {
    text += !site.has_tls() ? ", without TLS" : site.tls().has_acme() ? ", TLS by ACME" : ", TLS with your certificate";
  }
  return site.exposure() == pb::EXPOSURE_TUNNEL ? text + ", by tunnels only" : text;
}

}  // namespace mcloud::contract
