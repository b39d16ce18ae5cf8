#include "contract/fields/patterns.h"
#include "contract/fields/table.h"
#include "contract/header.h"
#include "contract/kinds/service.h"
#include "contract/kinds/site.h"

namespace mcloud::contract {
namespace {

namespace bounds = site_bounds;
using namespace patterns;

Field to_field() {
  const Shape weighted = map({required({.key = "to", .says = "Who serves.", .forms = {text(kTarget)}}),
                              {.key = "weight",
                               .says = "Its share beside the others.",
                               .forms = {number(bounds::kWeight)},
                               .fallback = "1"}});
  return {.key = "to",
          .says = "The workload and port that is published; at gateways also several.",
          .forms = {text(kTarget), weighted, list({1, bounds::kBackends}, {text(kTarget), weighted})}};
}

std::vector<Field> option_fields() {
  const Shape check =
      map({{.key = "path", .says = "What is asked for.", .forms = {text(kCheckPath)}, .otherwise = "a connection is enough"},
           {.key = "interval", .says = "How often.", .forms = {duration(bounds::kCheckMs)}, .fallback = "1s"}});
  return {{.key = "balance",
           .says = "How requests are shared out among the back ends.",
           .forms = {word(kBalanceWords)},
           .otherwise = "round-robin; least-connections for raw TCP and passed-through TLS"},
          {.key = "sticky", .says = "Whether a cookie keeps a client with its replica.", .forms = {flag()}, .fallback = "false"},
          {.key = "h2", .says = "Whether back ends are spoken to in HTTP/2 without TLS.", .forms = {flag()}, .fallback = "false"},
          {.key = "strip", .says = "Whether the path's prefix is taken off.", .forms = {flag()}, .fallback = "false"},
          {.key = "check",
           .says = "A path that must answer 200 to 399, or {path, interval}.",
           .forms = {text(kCheckPath), check},
           .otherwise = "as the container's own health check at that port, else a connection"}};
}

Field routes_field() {
  std::vector<Field> fields = {required(to_field())};
  for (Field& field : option_fields()) fields.push_back(std::move(field));
  std::vector<Shape> forms = to_field().forms;
  std::erase_if(forms, [](const Shape& shape) { return shape.type == Shape::Type::Map; });
  forms.push_back(map(std::move(fields)));
  return {.key = "routes",
          .says = "At gateways, in place of `to`: paths and who serves them; the longest that fits is taken.",
          .forms = {names(bounds::kRoutes, kRoutePath, std::move(forms))},
          .otherwise = "everything goes to `to`"};
}

Field tls_field() {
  const Shape acme = map({{.key = "directory",
                           .says = "The authority that gives certificates.",
                           .forms = {text(kDirectory)},
                           .fallback = "https://acme-v02.api.letsencrypt.org/directory"},
                          {.key = "email", .says = "Whom it writes to.", .forms = {text(kEmail)}, .otherwise = "nobody"}});
  const Shape secret = map({required({.key = "secret", .says = "Where the owner's machine finds it.", .forms = {text(kSecret)}})});
  return {.key = "tls",
          .says = "At gateways: who ends TLS, and with which certificate.",
          .forms = {word({"acme", "passthrough", "none"}),
                    map({required({.key = "acme", .says = "Certificates of an authority, renewed by themselves.", .forms = {acme}})}),
                    map({required({.key = "chain", .says = "The certificates, in PEM.", .forms = {text(kSecret), secret}}),
                         required({.key = "key", .says = "Their key; it travels sealed.", .forms = {text(kSecret), secret}})})},
          .fallback = "none"};
}

Field timeouts_field() {
  return {.key = "timeouts",
          .says = "At gateways: how long what may take.",
          .forms = {map({{.key = "connect", .says = "A connection to a back end.", .forms = {duration(bounds::kConnectMs)}, .fallback = "2s"},
                         {.key = "idle",
                          .says = "No byte either way.",
                          .forms = {duration(bounds::kIdleMs)},
                          .otherwise = "5m; 1h for raw TCP and passed-through TLS"},
                         {.key = "request", .says = "A client's headers.", .forms = {duration(bounds::kRequestMs)}, .fallback = "10s"},
                         {.key = "response", .says = "A back end's headers.", .forms = {duration(bounds::kResponseMs)}, .fallback = "1m"}})},
          .otherwise = "2s, 5m, 10s, 1m"};
}

std::vector<Field> where_fields() {
  return {{.key = "name", .says = "A public name below every gateway's domain.", .forms = {text(kPublicName)}},
          {.key = "names",
           .says = "Several of them.",
           .forms = {list({1, kNamesMax}, {text(kPublicName)})}},
          {.key = "domains",
           .says = "Whole names of your own zones.",
           .forms = {list({1, bounds::kDomains}, {text(kDomain)})}},
          {.key = "at",
           .says = "Where it appears: on the nodes that run the target, or on gateways.",
           .forms = {word(kAtWords)},
           .otherwise = "gateways with a name or domains, else nodes"},
          {.key = "port", .says = "The port of nodes, or a raw port of gateways.", .forms = {number({1, 65535})}}};
}

std::vector<Field> gateway_fields() {
  return {{.key = "redirect",
           .says = "At gateways: whether http:// is answered with https://.",
           .forms = {flag()},
           .otherwise = "true with a certificate"},
          {.key = "hsts", .says = "At gateways: how long browsers insist on https://.", .forms = {duration(bounds::kHstsMs)}, .otherwise = "not at all"},
          {.key = "exposure",
           .says = "At gateways: directly where possible, or only through tunnels that the targets' nodes opened.",
           .forms = {word(kExposureWords)},
           .fallback = "auto"},
          timeouts_field(),
          {.key = "body_max", .says = "At gateways: bound of a request's body; 0 is none.", .forms = {size(bounds::kBodyBytes)}, .fallback = "0"},
          {.key = "allow",
           .says = "At gateways: addresses and ranges that may connect.",
           .forms = {list({1, bounds::kRanges}, {text(kCidr)})},
           .otherwise = "everybody"},
          {.key = "retries",
           .says = "At gateways: how many other back ends are tried when one refuses.",
           .forms = {number(bounds::kRetries)},
           .fallback = "2"},
          {.key = "gateways", .says = "How many gateways serve it.", .forms = {number(service_bounds::kReplicas)}, .fallback = "2"}};
}

}  // namespace

KindFields publish_fields() {
  std::vector<Field> fields = where_fields();
  fields.push_back(to_field());
  for (Field& field : option_fields()) fields.push_back(std::move(field));
  fields.push_back(routes_field());
  fields.push_back(tls_field());
  for (Field& field : gateway_fields()) fields.push_back(std::move(field));
  Field networks = networks_field();
  networks.otherwise = "the first of each target that it shares none with yet";
  fields.push_back(std::move(networks));
  fields.push_back(placement_field(PlacedBy::Gateways));
  return {"publish", "A port of nodes, or names, domains and ports at gateways, for a workload.", std::move(fields)};
}

}  // namespace mcloud::contract
