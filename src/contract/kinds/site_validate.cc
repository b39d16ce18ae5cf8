#include <algorithm>
#include <set>

#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/reachable.h"
#include "contract/kinds/service.h"
#include "contract/kinds/site.h"
#include "contract/secret_field.h"
#include "contract/secrets.h"
#include "contract/web_syntax.h"

namespace mcloud::contract {
namespace {

namespace bounds = site_bounds;

constexpr size_t kThumbprintSize = 43;  // of 32 bytes in base64url

bool is_base64url(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Status check_acme(const pb::Acme& acme) {
  TRY(require_rule(kDirectoryRule, acme.directory(), "tls.directory"));
  if (!acme.email().empty()) TRY(require_rule(kEmailRule, acme.email(), "tls.email"));
  TRY(require(acme.account_thumbprint().size() == kThumbprintSize && is_base64url(acme.account_thumbprint()),
              "tls.account_thumbprint", "is none"));
  TRY(check_secret(acme.account_key(), std::string(kAcmeAccountField)));
  return check_secret(acme.private_key(), std::string(kTlsKeyField));
}

Status check_tls(const pb::Site& site) {
  if (!site.has_tls()) return {};
  TRY(require(site.mode() == pb::SITE_HTTP, "tls", "gateways end it only for HTTP"));
  TRY(require_bounds({bounds::kHstsMs.min / 1000, bounds::kHstsMs.max / 1000}, site.tls().hsts_s(), "tls.hsts_s"));
  if (site.tls().has_acme()) return check_acme(site.tls().acme());
  TRY(require(site.tls().has_supplied(), "tls", "there is no certificate"));
  TRY(require_rule(kChainRule, site.tls().supplied().chain(), "tls.chain"));
  return check_secret(site.tls().supplied().private_key(), std::string(kTlsKeyField));
}

// Where strangers find it: by names and domains, or at a port.
Status check_door(const pb::Site& site) {
  TRY(require_words(site.names(), kPublicNameRule, static_cast<size_t>(kNamesMax), "names"));
  TRY(require_words(site.domains(), kDomainRule, bounds::kDomains, "domains"));
  const bool is_named = !site.names().empty() || !site.domains().empty();
  if (site.mode() == pb::SITE_HTTP || site.mode() == pb::SITE_TLS) {
    TRY(require(site.port() == 0, "port", "names and domains are served at the gateways' own ports"));
    return require(is_named, "names", "it has neither names nor domains");
  }
  TRY(require(!is_named, "names", "a raw port has none"));
  TRY(require_bounds({1, 65535}, site.port(), "port"));
  return require(!is_gateways_own(site.mode() == pb::SITE_UDP ? "udp" : "tcp", site.port()), "port",
                 "is the gateways' own");
}

Status check_limits(const pb::Site& site) {
  const bool is_http = site.mode() == pb::SITE_HTTP;
  auto check = [&](bool applies, Bounds within, uint64_t value, std::string_view field) -> Status {
    return applies ? require_bounds(within, value, field) : require(value == 0, field, "means nothing here");
  };
  const bool connects = site.mode() != pb::SITE_UDP;
  TRY(check(connects, bounds::kConnectMs, site.connect_ms(), "connect_ms"));
  TRY(check(connects, bounds::kIdleMs, site.idle_ms(), "idle_ms"));
  TRY(check(is_http || site.mode() == pb::SITE_TLS, bounds::kRequestMs, site.request_ms(), "request_ms"));
  TRY(check(is_http, bounds::kResponseMs, site.response_ms(), "response_ms"));
  TRY(check(is_http, bounds::kBodyBytes, site.body_max_bytes(), "body_max_bytes"));
  TRY(check(connects, bounds::kRetries, site.retries(), "retries"));
  TRY(require_sorted(site.allow(), bounds::kRanges, "allow"));
  for (const std::string& range : site.allow()) {
    Result<std::string> canonical = canonical_cidr(range);
    TRY(require(canonical.has_value() && *canonical == range, "allow", "\"" + shortened(range) + "\" is not a range"));
  }
  return {};
}

Status check_route(const pb::Site& site, const pb::Route& route) {
  const bool is_http = site.mode() == pb::SITE_HTTP;
  TRY(is_http ? require_rule(kRoutePathRule, route.path(), "routes.path")
              : require(route.path().empty(), "routes.path", "needs HTTP"));
  TRY(require(route.balance() >= pb::BALANCE_ROUND_ROBIN && route.balance() <= pb::BALANCE_SOURCE, "routes.balance",
              "is not set"));
  TRY(require(site.mode() != pb::SITE_UDP || route.balance() == pb::BALANCE_ROUND_ROBIN, "routes.balance",
              "UDP goes to its replicas in turn"));
  TRY(require(is_http || (!route.sticky() && !route.h2() && !route.strip() && route.check_path().empty()), "routes",
              "sticky, h2, strip and check need HTTP"));
  TRY(require(!route.strip() || route.path() != "/", "routes.strip", "there is no prefix to take off"));
  if (!route.check_path().empty()) TRY(require_rule(kCheckPathRule, route.check_path(), "routes.check_path"));
  return site.mode() == pb::SITE_UDP ? require(route.check_ms() == 0, "routes.check_ms", "UDP has no connections")
                                     : require_bounds(bounds::kCheckMs, route.check_ms(), "routes.check_ms");
}

Status check_backends(const SignedScope& scope, const pb::Facets& facets, const pb::Site& site,
                      const pb::Route& route) {
  TRY(require_bounds({1, bounds::kBackends}, static_cast<uint64_t>(route.backends_size()), "routes.backends"));
  TRY(require_sorted(route.backends(), bounds::kBackends, "routes.backends",
                     [](const pb::Backend& backend) { return std::pair(backend.target(), backend.port()); }));
  const bool is_raw = site.port() != 0;
  for (const pb::Backend& backend : route.backends()) {
    TRY(require_bounds(bounds::kWeight, backend.weight(), "routes.backends.weight"));
    const pb::WorkloadBody* target = find_body(scope.body, backend.target());
    TRY(require(target != nullptr && (target->has_container() || (is_raw && target->has_kv())),
                "routes.backends.target", "there is no container of this name"));
    const std::vector<pb::Port> ports = ports_of(*target);
    auto is_port = [&](const pb::Port& port) {
      return port.number() == backend.port() && port.protocol() == (site.mode() == pb::SITE_UDP ? "udp" : "tcp");
    };
    TRY(require(std::any_of(ports.begin(), ports.end(), is_port), "routes.backends.port",
                "the target has no such port"));
    const pb::Facets* theirs = find_facets(scope.header, backend.target());
    auto is_shared = [&](const std::string& space) { return theirs != nullptr && contains(theirs->spaces(), space); };
    TRY(require(std::any_of(facets.spaces().begin(), facets.spaces().end(), is_shared), "routes.backends.target",
                "shares no network with it"));
  }
  return {};
}

Status check_routes(const SignedScope& scope, const pb::Facets& facets, const pb::Site& site) {
  const bool is_http = site.mode() == pb::SITE_HTTP;
  TRY(require_bounds({1, is_http ? bounds::kRoutes : 1}, static_cast<uint64_t>(site.routes_size()), "routes"));
  for (const pb::Route& route : site.routes()) {
    TRY(check_route(site, route));
    TRY(check_backends(scope, facets, site, route));
  }
  auto comes_after = [](const pb::Route& a, const pb::Route& b) {
    return a.path().size() != b.path().size() ? a.path().size() < b.path().size() : a.path() >= b.path();
  };
  return require(std::adjacent_find(site.routes().begin(), site.routes().end(), comes_after) == site.routes().end(),
                 "routes", "the longest path comes first, each once");
}

Status check_facets(const SignedScope& scope, const pb::Facets& facets, const pb::Site& site) {
  TRY(validate_service(facets, kGatewayLabel));
  TRY(require(std::equal(site.names().begin(), site.names().end(), facets.names().begin(), facets.names().end()),
              "names", "the header says others"));
  const std::string claim = site_claim(site);
  TRY(require(claim.empty() ? facets.claims().empty() : facets.claims_size() == 1 && facets.claims(0) == claim,
              "claims", "the header claims another port"));
  std::set<std::string> theirs;
  for (const pb::Route& route : site.routes()) {
    for (const pb::Backend& backend : route.backends()) {
      if (const pb::Facets* target = find_facets(scope.header, backend.target()))
        theirs.insert(target->spaces().begin(), target->spaces().end());
    }
  }
  for (const std::string& space : facets.spaces())
    TRY(require(theirs.contains(space), "spaces", "none of its targets stands in \"" + space + "\""));
  return {};
}

template <typename List>
Status require_other(const List& ours, const List& theirs, std::string_view field) {
  for (const std::string& name : ours)
    TRY(require(!contains(theirs, name), field, "\"" + name + "\" is published twice"));
  return {};
}

// Names and ports of one contract lead to one publication.
Status check_others(const SignedScope& scope, const pb::WorkloadBody& workload) {
  const pb::Site& site = workload.publish().site();
  for (const pb::WorkloadBody& other : scope.body.workloads()) {
    if (&other == &workload || !other.publish().has_site()) continue;
    const pb::Site& theirs = other.publish().site();
    TRY(require_other(site.names(), theirs.names(), "names"));
    TRY(require_other(site.domains(), theirs.domains(), "domains"));
    TRY(require(site.port() == 0 || site_claim(site) != site_claim(theirs), "port",
                "\"" + other.name() + "\" publishes it as well"));
  }
  return {};
}

}  // namespace

Status validate_site(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& workload) {
  const pb::PublishBody& body = workload.publish();
  const pb::Site& site = body.site();
  TRY(require(body.port() == 0 && body.protocol().empty() && body.target().empty() && body.target_port() == 0, "site",
              "it is a port of nodes as well"));
  TRY(require(site.mode() >= pb::SITE_HTTP && site.mode() <= pb::SITE_UDP, "mode", "is not set"));
  TRY(require(site.exposure() == pb::EXPOSURE_AUTO || site.exposure() == pb::EXPOSURE_TUNNEL, "exposure",
              "is not set"));
  TRY(check_door(site));
  TRY(check_tls(site));
  TRY(check_limits(site));
  TRY(check_routes(scope, facets, site));
  TRY(check_facets(scope, facets, site));
  return check_others(scope, workload);
}

}  // namespace mcloud::contract
