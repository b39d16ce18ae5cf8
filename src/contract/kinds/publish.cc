#include "contract/kinds/publish.h"

#include <algorithm>
#include <array>
#include <set>

#include "contract/conduct.h"
#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/kinds/reachable.h"
#include "contract/kinds/site.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

// Gateways take everything of a site as it changes.
constexpr std::array<std::string_view, 1> kLiveFields = {"site"};

void parse_publish(MapReader& fields, Workload& workload) {
  Publish publish;
  publish.site = read_site(fields);
  if (publish.site) {
    workload.spec = std::move(publish);
    return;
  }
  if (auto found = fields.get("port", "port: 8080")) {
    if (auto port = found->number({1, 65535})) publish.port = {static_cast<uint32_t>(port->value), port->place};
  }
  if (auto found = fields.get("to", "to: web:http")) {
    if (std::optional<TargetName> name = read_target(*found)) {
      publish.target = std::move(name->target);
      publish.target_port = std::move(name->port);
    }
  }
  workload.spec = std::move(publish);
}

void check_publish(const Contract& contract, const Workload& workload, Report& report) {
  const Publish& publish = std::get<Publish>(workload.spec);
  std::string field = "workloads." + workload.name.value;
  if (publish.site) return check_site(contract, workload, *publish.site, report);
  if (publish.target.value.empty()) return;
  const Workload* target = refer_any<Container, Kv>(contract, publish.target, field + ".to", "container or kv", report);
  if (target == nullptr) return;
  check_target(contract, *target, {publish.target, publish.target_port}, field + ".to", report);
  std::optional<Port> port = published_port(contract, publish);
  if (!port || publish.port.value == 0) return;
  for (const Workload& other : contract.workloads) {
    if (&other == &workload) break;
    const Publish* taken = std::get_if<Publish>(&other.spec);
    if (taken == nullptr || taken->site || taken->port.value != publish.port.value) continue;
    std::optional<Port> taken_port = published_port(contract, *taken);
    if (!taken_port || taken_port->protocol != port->protocol) continue;
    report.add(publish.port.place, field + ".port",
               claim_name(port->protocol, publish.port.value) + " is published by \"" + other.name.value + "\" already");
  }
}

void compile_publish(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body) {
  const Publish& publish = std::get<Publish>(workload.spec);
  pb::PublishBody& out = *body.mutable_publish();
  if (publish.site) return compile_site(scope, workload, *publish.site, facets, out);
  make_unplaced(facets);
  out.set_port(publish.port.value);
  out.set_target(publish.target.value);
  if (std::optional<Port> port = published_port(scope.contract(), publish)) {
    out.set_protocol(port->protocol);
    out.set_target_port(port->number);
  }
}

Status validate_publish(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& workload) {
  const pb::PublishBody& body = workload.publish();
  if (body.has_site()) return validate_site(scope, facets, workload);
  TRY(check_unplaced(facets));
  TRY(require_bounds({1, 65535}, body.port(), "port"));
  TRY(require_bounds({1, 65535}, body.target_port(), "target_port"));
  TRY(require_rule(kProtocolRule, body.protocol(), "protocol"));
  const pb::WorkloadBody* target = find_body(scope.body, body.target());
  TRY(require(target != nullptr && (target->has_container() || target->has_kv()), "target",
              "there is no container or kv of this name"));
  auto is_target_port = [&](const pb::Port& port) {
    return port.number() == body.target_port() && port.protocol() == body.protocol();
  };
  const std::vector<pb::Port> ports = ports_of(*target);
  TRY(require(std::any_of(ports.begin(), ports.end(), is_target_port), "target_port", "the target has no such port"));
  const pb::Facets* target_facets = find_facets(scope.header, body.target());
  TRY(require(target_facets != nullptr && target_facets->spaces_size() > 0, "target", "stands in no network"));
  for (const pb::WorkloadBody& other : scope.body.workloads()) {
    if (&other == &workload || !other.has_publish() || other.publish().has_site()) continue;
    TRY(require(other.publish().port() != body.port() || other.publish().protocol() != body.protocol(), "port",
                "\"" + other.name() + "\" publishes it as well"));
  }
  return {};
}

std::string summarize(const pb::Facets& facets, const pb::WorkloadBody& body) {
  const pb::PublishBody& publish = body.publish();
  if (publish.has_site()) return summarize_site(facets, publish.site());
  return claim_name(publish.protocol(), publish.port()) + " to " + publish.target() + ":" +
         std::to_string(publish.target_port());
}

}  // namespace

const Kind kPublishKind = {
    .name = "publish",
    .body_case = pb::WorkloadBody::kPublish,
    .parse = parse_publish,
    .check = check_publish,
    .compile = compile_publish,
    .validate = validate_publish,
    .summary = summarize,
    .own_facets = true,
    .live_fields = kLiveFields,
};

std::optional<Port> published_port(const Contract& contract, const Publish& publish) {
  return target_port(contract, publish.target.value, publish.target_port.value);
}

std::vector<std::string> claims_on(const Contract& contract, std::string_view target) {
  std::set<std::string> claims;
  for (const Workload& workload : contract.workloads) {
    const Publish* publish = std::get_if<Publish>(&workload.spec);
    if (publish == nullptr || publish->site || publish->target.value != target) continue;
    if (std::optional<Port> port = published_port(contract, *publish)) claims.insert(claim_name(port->protocol, publish->port.value));
  }
  return {claims.begin(), claims.end()};
}

std::vector<std::string> claims_on(const pb::ContractBody& body, std::string_view target) {
  std::set<std::string> claims;
  for (const pb::WorkloadBody& workload : body.workloads()) {
    if (!workload.has_publish() || workload.publish().has_site() || workload.publish().target() != target) continue;
    claims.insert(claim_name(workload.publish().protocol(), workload.publish().port()));
  }
  return {claims.begin(), claims.end()};
}

}  // namespace mcloud::contract
