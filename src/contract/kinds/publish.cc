#include "contract/kinds/publish.h"

#include <algorithm>
#include <set>

#include "contract/conduct.h"
#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/kinds/reachable.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

void parse_publish(MapReader& fields, Workload& workload) {
  Publish publish;
  if (auto found = fields.get("port", "port: 8080")) {
    if (auto port = found->number({1, 65535})) publish.port = {static_cast<uint32_t>(port->value), port->place};
  }
  if (auto found = fields.get("to", "to: web:http")) {
    if (std::optional<Text> to = found->text()) {
      size_t colon = to->value.find(':');
      publish.target = {to->value.substr(0, colon), to->place};
      publish.target_port.place = to->place;
      if (colon != std::string::npos) publish.target_port.value = to->value.substr(colon + 1);
      if (colon != std::string::npos && publish.target_port.value.empty()) {
        found->complain("names no port behind the \":\"", {"WORKLOAD:PORT, or WORKLOAD when it has one port", ""});
      }
    }
  }
  workload.spec = std::move(publish);
}

void check_target_port(const Contract& contract, const Reachable& target, const Publish& publish,
                       const std::string& field, Report& report) {
  if (spaces_of(contract, *target.networks).empty()) {
    report.add(publish.target.place, field, "\"" + publish.target.value + "\" stands in no network");
  }
  if (published_port(contract, publish)) return;
  std::vector<std::string> names;
  for (const Port& port : target.ports) names.push_back(port.name);
  std::string target_name = "\"" + publish.target.value + "\"";
  if (names.empty()) {
    report.add(publish.target.place, field, target_name + " has no ports: give it some, such as ports: {http: 80}");
  } else if (publish.target_port.value.empty()) {
    report.add(publish.target.place, field, target_name + " has several ports: name one",
               {joined_names(names), publish.target.value + ":" + names.front()});
  } else {
    std::string nearest = nearest_spelling(publish.target_port.value, names);
    report.add(publish.target.place, field, target_name + " has no port \"" + publish.target_port.value + "\"",
               {joined_names(names), nearest.empty() ? "" : publish.target.value + ":" + nearest});
  }
}

void check_publish(const Contract& contract, const Workload& workload, Report& report) {
  const Publish& publish = std::get<Publish>(workload.spec);
  std::string field = "workloads." + workload.name.value;
  if (publish.target.value.empty()) return;
  const Workload* target = refer_any<Container, Kv>(contract, publish.target, field + ".to", "container or kv", report);
  if (target == nullptr) return;
  check_target_port(contract, *reachable(*target), publish, field + ".to", report);
  std::optional<Port> port = published_port(contract, publish);
  if (!port || publish.port.value == 0) return;
  for (const Workload& other : contract.workloads) {
    if (&other == &workload) break;
    const Publish* taken = std::get_if<Publish>(&other.spec);
    if (taken == nullptr || taken->port.value != publish.port.value) continue;
    std::optional<Port> taken_port = published_port(contract, *taken);
    if (!taken_port || taken_port->protocol != port->protocol) continue;
    report.add(publish.port.place, field + ".port",
               claim_name(port->protocol, publish.port.value) + " is published by \"" + other.name.value + "\" already");
  }
}

void compile_publish(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body) {
  const Publish& publish = std::get<Publish>(workload.spec);
  make_unplaced(facets);
  pb::PublishBody& out = *body.mutable_publish();
  out.set_port(publish.port.value);
  out.set_target(publish.target.value);
  if (std::optional<Port> port = published_port(scope.contract(), publish)) {
    out.set_protocol(port->protocol);
    out.set_target_port(port->number);
  }
}

Status validate_publish(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& workload) {
  const pb::PublishBody& body = workload.publish();
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
    if (&other == &workload || !other.has_publish()) continue;
    TRY(require(other.publish().port() != body.port() || other.publish().protocol() != body.protocol(), "port",
                "\"" + other.name() + "\" publishes it as well"));
  }
  return {};
}

std::string summarize(const pb::Facets&, const pb::WorkloadBody& body) {
  const pb::PublishBody& publish = body.publish();
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
    .own_facets = false,
    .live_fields = {},
};

std::optional<Port> published_port(const Contract& contract, const Publish& publish) {
  const Workload* workload = contract.find(publish.target.value);
  std::optional<Reachable> target = workload == nullptr ? std::nullopt : reachable(*workload);
  if (!target) return std::nullopt;
  if (publish.target_port.value.empty() && target->ports.size() != 1) return std::nullopt;
  for (const Port& port : target->ports) {
    if (publish.target_port.value.empty() || is_named(port, publish.target_port.value)) return port;
  }
  return std::nullopt;
}

std::vector<std::string> claims_on(const Contract& contract, std::string_view target) {
  std::set<std::string> claims;
  for (const Workload& workload : contract.workloads) {
    const Publish* publish = std::get_if<Publish>(&workload.spec);
    if (publish == nullptr || publish->target.value != target) continue;
    if (std::optional<Port> port = published_port(contract, *publish)) claims.insert(claim_name(port->protocol, publish->port.value));
  }
  return {claims.begin(), claims.end()};
}

std::vector<std::string> claims_on(const pb::ContractBody& body, std::string_view target) {
  std::set<std::string> claims;
  for (const pb::WorkloadBody& workload : body.workloads()) {
    if (!workload.has_publish() || workload.publish().target() != target) continue;
    claims.insert(claim_name(workload.publish().protocol(), workload.publish().port()));
  }
  return {claims.begin(), claims.end()};
}

}  // namespace mcloud::contract
