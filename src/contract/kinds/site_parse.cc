#include "contract/conduct.h"
#include "contract/header.h"
#include "contract/kinds/container.h"
#include "contract/kinds/service.h"
#include "contract/kinds/site.h"
#include "contract/secret_field.h"
#include "contract/web_syntax.h"
#include "contract/words.h"

namespace mcloud::contract {
namespace {

namespace bounds = site_bounds;

void read_secret_of(MapReader& fields, std::string_view key, std::string_view example,
                    std::optional<Placed<SecretReference>>& out) {
  auto found = fields.get(key, example);
  if (!found) return;
  if (found->is_scalar()) {
    out = read_secret(*found);
    return;
  }
  MapReader inner(*found, fields.owner());
  if (auto secret = inner.get("secret", "secret: file:key.pem")) out = read_secret(*secret);
  inner.finish();
}

void read_acme(const Cursor& cursor, Place owner, SiteTls& tls) {
  MapReader fields(cursor, owner);
  if (auto found = fields.find("directory")) {
    if (auto text = found->text(kDirectoryRule)) tls.directory = text->value;
  }
  if (auto found = fields.find("email")) {
    if (auto text = found->text(kEmailRule)) tls.email = text->value;
  }
  fields.finish();
}

// `acme`, `passthrough`, `none`, {acme: {directory, email}} or {chain, key}.
std::optional<SiteTls> read_tls(const Cursor& cursor, Place owner) {
  static constexpr std::array<Word<SiteTls::How>, 3> kWords = {
      {{"acme", SiteTls::How::Acme}, {"passthrough", SiteTls::How::Passthrough}, {"none", SiteTls::How::None}}};
  SiteTls tls;
  tls.place = cursor.place();
  if (!cursor.is_map()) {
    std::optional<Placed<SiteTls::How>> how = cursor.word(kWords);
    if (!how) return std::nullopt;
    tls.how = how->value;
    return tls;
  }
  MapReader fields(cursor, owner);
  if (auto acme = fields.find("acme")) {
    tls.how = SiteTls::How::Acme;
    read_acme(*acme, owner, tls);
  } else {
    tls.how = SiteTls::How::Supplied;
    read_secret_of(fields, "chain", "chain: file:chain.pem", tls.chain);
    read_secret_of(fields, "key", "key: {secret: file:key.pem}", tls.key);
  }
  fields.finish();
  return tls;
}

void read_backend(const Cursor& cursor, std::vector<Backend>& out) {
  Backend backend;
  std::optional<TargetName> name;
  if (cursor.is_map()) {
    MapReader fields(cursor, cursor.place());
    if (auto to = fields.get("to", "to: web:http")) name = read_target(*to);
    if (auto weight = fields.find("weight")) backend.weight = plain_u32(weight->number(bounds::kWeight)).value_or(1);
    fields.finish();
  } else {
    name = read_target(cursor);
  }
  if (!name) return;
  backend.target = std::move(name->target);
  backend.port = std::move(name->port);
  out.push_back(std::move(backend));
}

// `web:http`, or a list of those and {to, weight}.
std::vector<Backend> read_backends(const Cursor& cursor) {
  std::vector<Backend> out;
  if (!cursor.is_list()) {
    read_backend(cursor, out);
    return out;
  }
  const auto& items = cursor.node().items;
  if (items.empty() || items.size() > bounds::kBackends) {
    cursor.complain("has " + std::to_string(items.size()) + " entries",
                    {"1 to " + std::to_string(bounds::kBackends), ""});
    return out;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    read_backend(Cursor(items[i], cursor.path() + "[" + std::to_string(i) + "]", cursor.report()), out);
  }
  return out;
}

// `/healthy`, or {path, interval}.
void read_check(const Cursor& cursor, Place owner, SiteRoute& route) {
  if (cursor.is_scalar()) {
    if (auto path = cursor.text(kCheckPathRule)) route.check_path = path->value;
    return;
  }
  MapReader fields(cursor, owner);
  if (auto found = fields.find("path")) {
    if (auto path = found->text(kCheckPathRule)) route.check_path = path->value;
  }
  if (auto found = fields.find("interval")) route.check_ms = plain(found->duration_ms(bounds::kCheckMs));
  fields.finish();
}

void read_options(MapReader& fields, SiteRoute& route) {
  auto note = [&](std::string_view key, const std::optional<Cursor>& found) {
    if (found) route.options.push_back({std::string(key), found->place()});
    return found;
  };
  if (auto found = note("balance", fields.find("balance"))) route.balance = found->word(kBalanceWords);
  if (auto found = note("sticky", fields.find("sticky"))) route.sticky = found->boolean().value_or(false);
  if (auto found = note("h2", fields.find("h2"))) route.h2 = found->boolean().value_or(false);
  if (auto found = note("strip", fields.find("strip"))) route.strip = found->boolean().value_or(false);
  if (auto found = note("check", fields.find("check"))) read_check(*found, fields.owner(), route);
}

void read_route(const Text& path, const Cursor& cursor, std::vector<SiteRoute>& out) {
  SiteRoute route;
  route.place = path.place;
  route.path = path.value;
  if (!kRoutePathRule.holds(path.value)) {
    cursor.report().add(path.place, cursor.path(), "is not a path", {std::string(kRoutePathRule.allowed), ""});
  }
  if (cursor.is_map()) {
    MapReader fields(cursor, path.place);
    if (auto to = fields.get("to", "to: web:http")) route.backends = read_backends(*to);
    read_options(fields, route);
    fields.finish();
  } else {
    route.backends = read_backends(cursor);
  }
  out.push_back(std::move(route));
}

// `routes`, or `to` with the options of the only route.
void read_routes(MapReader& fields, Site& site) {
  SiteRoute whole;
  whole.place = fields.owner();
  read_options(fields, whole);
  std::optional<Cursor> routes = fields.find("routes");
  std::optional<Cursor> to = routes ? fields.find("to") : fields.get("to", "to: web:http");
  if (!routes) {
    if (to) whole.place = to->place();
    if (to) whole.backends = read_backends(*to);
    site.routes.push_back(std::move(whole));
    return;
  }
  if (to) to->complain("stands beside routes", {"one of the two", ""});
  for (const Text& option : whole.options) {
    fields.report().add(option.place, child_path(fields.path(), option.value), "belongs to a route",
                        {"routes: {/: {to: web:http, " + option.value + ": ...}}", ""});
  }
  if (routes->is_map() && routes->node().entries.empty()) routes->complain("is empty: nothing is published");
  for (const auto& [path, value] : routes->entries(bounds::kRoutes)) read_route(path, value, site.routes);
}

void read_timeouts(MapReader& outer, Site& site) {
  auto found = outer.find("timeouts");
  if (!found) return;
  MapReader fields(*found, outer.owner());
  if (auto value = fields.find("connect")) site.connect_ms = value->duration_ms(bounds::kConnectMs);
  if (auto value = fields.find("idle")) site.idle_ms = value->duration_ms(bounds::kIdleMs);
  if (auto value = fields.find("request")) site.request_ms = value->duration_ms(bounds::kRequestMs);
  if (auto value = fields.find("response")) site.response_ms = value->duration_ms(bounds::kResponseMs);
  fields.finish();
}

void read_ranges(MapReader& fields, Site& site) {
  auto found = fields.find("allow");
  if (!found) return;
  static constexpr Rule kAnything = {[](std::string_view) { return true; }, ""};
  std::optional<std::vector<Text>> texts = found->texts(kAnything, bounds::kRanges);
  if (!texts) return;
  if (texts->empty()) found->complain("nobody could connect", {"leave it out for everybody", ""});
  for (const Text& text : *texts) {
    Result<std::string> range = canonical_cidr(text.value);
    if (!range) {
      found->report().add(text.place, found->path(), "\"" + shortened(text.value) + "\": " + range.error().message);
    } else {
      site.allow.push_back(std::move(*range));
    }
  }
}

void read_names(MapReader& fields, Site& site) {
  std::optional<Cursor> name = fields.find("name");
  std::optional<Cursor> names = fields.find("names");
  if (name && names) names->complain("stands beside name", {"one of the two", ""});
  if (name) {
    if (auto text = name->text(kPublicNameRule)) site.names.push_back(std::move(*text));
  } else if (names) {
    site.names = names->unique_texts(kPublicNameRule, kNamesMax).value_or(std::vector<Text>{});
    if (names->is_list() && names->node().items.empty()) names->complain("is empty");
  }
  if (auto found = fields.find("domains")) {
    site.domains = found->unique_texts(kDomainRule, bounds::kDomains).value_or(std::vector<Text>{});
    if (found->is_list() && found->node().items.empty()) found->complain("is empty");
  }
}

void read_rest(MapReader& fields, Site& site) {
  if (auto found = fields.find("tls")) site.tls = read_tls(*found, fields.owner());
  if (auto found = fields.find("redirect")) {
    if (auto value = found->boolean()) site.redirect = Placed<bool>{*value, found->place()};
  }
  if (auto found = fields.find("hsts")) site.hsts_ms = found->duration_ms(bounds::kHstsMs);
  if (auto found = fields.find("exposure")) site.exposure = found->word(kExposureWords);
  read_timeouts(fields, site);
  if (auto found = fields.find("body_max")) site.body_max_bytes = found->size(bounds::kBodyBytes);
  read_ranges(fields, site);
  if (auto found = fields.find("retries")) site.retries = plain_u32(found->number(bounds::kRetries));
  if (auto found = fields.find("gateways")) {
    if (auto count = found->number(service_bounds::kReplicas)) {
      site.gateways = Placed<uint32_t>{static_cast<uint32_t>(count->value), count->place};
    }
  }
  if (auto found = fields.find("networks")) site.networks = found->unique_texts(kNameRule, container_bounds::kNetworks);
  site.placement = read_placement(fields, PlacementOf::Workload);
}

// Where strangers find it decides whether it is one.
bool says_gateways(const MapReader& fields, const std::optional<Placed<bool>>& at) {
  bool is_named = fields.has("name") || fields.has("names") || fields.has("domains");
  return is_named || (at && at->value);
}

}  // namespace

std::optional<TargetName> read_target(const Cursor& cursor) {
  std::optional<Text> text = cursor.text();
  if (!text) return std::nullopt;
  size_t colon = text->value.find(':');
  TargetName name{{text->value.substr(0, colon), text->place}, {"", text->place}};
  if (colon == std::string::npos) return name;
  name.port.value = text->value.substr(colon + 1);
  if (name.port.value.empty()) {
    cursor.complain("names no port behind the \":\"", {"WORKLOAD:PORT, or WORKLOAD when it has one port", ""});
  }
  return name;
}

std::optional<Site> read_site(MapReader& fields) {
  static constexpr std::array<std::string_view, 16> kOnlyHere = {
      "tls",   "redirect", "hsts",     "routes",   "balance", "sticky",  "h2",       "strip",
      "check", "exposure", "timeouts", "body_max", "allow",   "retries", "gateways", "networks"};
  std::optional<Placed<bool>> at;
  if (auto found = fields.find("at")) at = found->word(kAtWords);
  if (!says_gateways(fields, at)) {
    // Asked for, so that they are known keys, and none of them is read as if it had a meaning.
    for (std::string_view key : kOnlyHere) {
      if (auto found = fields.find(key)) {
        found->complain("means something only at gateways", {"with a name, domains, or at: gateways", ""});
      }
    }
    for (std::string_view key : {"name", "names", "domains", "placement"}) {
      if (auto found = fields.find(key)) found->complain("a port of nodes stands where its target stands");
    }
    return std::nullopt;
  }
  Site site;
  read_names(fields, site);
  const bool is_named = !site.names.empty() || !site.domains.empty();
  if (at && !at->value) {
    fields.report().add(at->place, child_path(fields.path(), "at"), "names and domains are served by gateways",
                        {"gateways", "gateways"});
  }
  std::optional<Cursor> port = is_named || fields.has("name") || fields.has("names") || fields.has("domains")
                                   ? fields.find("port")
                                   : fields.get("port", "port: 5432, or name: shop");
  if (port) {
    if (auto number = port->number({1, 65535}))
      site.port = Placed<uint32_t>{static_cast<uint32_t>(number->value), number->place};
  }
  read_routes(fields, site);
  read_rest(fields, site);
  return site;
}

}  // namespace mcloud::contract
