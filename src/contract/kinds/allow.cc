#include "contract/kinds/allow.h"

#include <set>

#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/kinds/reachable.h"
#include "contract/kinds/site.h"
#include "contract/reference.h"
#include "contract/web_syntax.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

constexpr std::string_view kAny = "any";
constexpr std::string_view kDevices = "devices";
constexpr std::string_view kWorld = "world";  // what lies outside; only ever a TO
constexpr std::string_view kDevicePrefix = "device:";
constexpr std::string_view kArrow = "->";
constexpr uint32_t kPortLast = 65535;
constexpr std::string_view kAllowed =
    "\"FROM -> TO\", \"FROM -> TO:PORT\" or \"FROM -> TO:PORT/PROTOCOL\"; FROM and TO are a workload, device:NAME, "
    "devices or any; TO may be world";

bool is_device(std::string_view end) { return end.starts_with(kDevicePrefix); }
bool is_end(std::string_view end) {
  return is_device(end) ? kDeviceRule.holds(end.substr(kDevicePrefix.size())) : kNameRule.holds(end);
}
bool is_workload(std::string_view end) { return end != kAny && end != kDevices && end != kWorld && !is_device(end); }
bool is_of_devices(std::string_view end) { return end == kDevices || is_device(end); }

struct PortRange {
  uint32_t first = 0, last = 0;
};
// "8000" or "8000-8010"; nullopt for a name and for nonsense.
std::optional<PortRange> parse_ports(std::string_view text) {
  size_t dash = text.find('-');
  std::optional<uint32_t> first = parse_port(text.substr(0, dash));
  std::optional<uint32_t> last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// What stands behind the last `mark`, cut off; "" when there is none.
std::string take_tail(std::string_view& text, char mark, size_t from) {
  size_t at = text.find(mark, from);
  if (at == std::string_view::npos) return "";
  std::string tail(text.substr(at + 1));
  text = text.substr(0, at);
  return tail.empty() ? std::string(1, mark) : tail;  // an empty one fits no rule
}

AllowRule split(std::string_view text, Place place) {
  AllowRule rule;
  rule.place = place;
  size_t arrow = text.find(kArrow);
  if (arrow == std::string_view::npos) return rule;
  rule.from = trimmed(text.substr(0, arrow));
  std::string_view to = trimmed(text.substr(arrow + kArrow.size()));
  rule.protocol = take_tail(to, '/', 0);
  rule.port = take_tail(to, ':', is_device(to) ? kDevicePrefix.size() : 0);
  rule.to = to;
  return rule;
}

AllowRule read_map(const Cursor& cursor) {
  AllowRule rule;
  rule.place = cursor.place();
  MapReader fields(cursor, cursor.place());
  if (auto found = fields.get("from", "from: web")) rule.from = found->text().value_or(Text{}).value;
  if (auto found = fields.get("to", "to: db")) rule.to = found->text().value_or(Text{}).value;
  if (auto found = fields.find("port")) rule.port = found->text().value_or(Text{}).value;
  if (auto found = fields.find("protocol")) rule.protocol = found->text(kProtocolRule).value_or(Text{}).value;
  fields.finish();
  return rule;
}

const Port* find_named(const std::vector<Port>& ports, std::string_view name) {
  for (const Port& port : ports) {
    if (is_named(port, name)) return &port;
  }
  return nullptr;
}

std::vector<Port> ports_at(const Contract& contract, const std::string& end) {
  const Workload* workload = is_workload(end) ? contract.find(end) : nullptr;
  std::optional<Reachable> found = workload == nullptr ? std::nullopt : reachable(*workload);
  return found ? found->ports : std::vector<Port>{};
}

pb::Allow compile_rule(const Contract& contract, const AllowRule& rule) {
  pb::Allow out;
  out.set_from(rule.from);
  out.set_to(rule.to);
  out.set_protocol(rule.protocol);
  if (rule.port.empty()) {
    if (rule.protocol.empty()) return out;
    out.set_port_first(1);
    out.set_port_last(kPortLast);
    return out;
  }
  std::vector<Port> ports = ports_at(contract, rule.to);
  const Port* named = find_named(ports, rule.port);
  PortRange range = parse_ports(rule.port).value_or(PortRange{});
  out.set_port_first(named != nullptr ? named->number : range.first);
  out.set_port_last(named != nullptr ? named->number : range.last);
  if (rule.protocol.empty()) out.set_protocol(named != nullptr ? named->protocol : "tcp");
  return out;
}

void check_end(const Contract& contract, const Workload& network, const std::string& end, const AllowRule& rule,
               const std::string& field, Report& report) {
  const bool has_access = std::get<Network>(network.spec).access.has_value();
  if (is_of_devices(end)) {
    if (!has_access)
      report.add(rule.place, field, "no devices can join \"" + network.name.value + "\"",
                 {"access: true lets them", ""});
    return;
  }
  if (end == kAny || end == kWorld) return;
  const Workload* found =
      refer_any<Container, Kv, Publish>(contract, {end, rule.place}, field, "container or kv", report);
  if (found == nullptr || contains(standing(contract, *found).spaces, network.name.value)) return;
  report.add(rule.place, field, "\"" + end + "\" does not stand in \"" + network.name.value + "\"");
}

void check_world(const AllowRule& rule, const std::string& field, Report& report) {
  if (rule.from == kWorld) {
    report.add(rule.place, field, "the world comes in by no rule", {"a workload of kind publish lets it in", ""});
  } else if (rule.to == kWorld && is_of_devices(rule.from)) {
    report.add(rule.place, field, "devices reach the world by themselves, not through the network", {"WORKLOAD -> world", ""});
  }
}

void check_port(const Contract& contract, const AllowRule& rule, const std::string& field, Report& report) {
  if (rule.port.empty() || parse_ports(rule.port)) return;
  std::vector<Port> ports = ports_at(contract, rule.to);
  if (find_named(ports, rule.port) != nullptr) return;
  std::vector<std::string> names;
  for (const Port& port : ports) names.push_back(port.name);
  report.add(rule.place, field, "\"" + rule.to + "\" has no port \"" + shortened(rule.port) + "\"",
             {names.empty() ? "a number, 8000-8010" : joined_names(names) + ", a number, 8000-8010",
              nearest_spelling(rule.port, names)});
}

// The rules nobody writes.
std::vector<pb::Allow> implied_rules(const Contract& contract, const std::string& network) {
  std::vector<pb::Allow> out;
  for (const Workload& workload : contract.workloads) {
    if (!contains(standing(contract, workload).spaces, network)) continue;
    if (std::holds_alternative<Kv>(workload.spec) && standing(contract, workload).replicas > 1) {
      pb::Allow& rule = out.emplace_back();
      rule.set_from(workload.name.value);
      rule.set_to(workload.name.value);
    }
    for (const SiteTarget& target : targets_of(contract, workload)) {
      if (!contains(target.spaces, network)) continue;
      pb::Allow& rule = out.emplace_back();
      rule.set_from(workload.name.value);
      rule.set_to(target.name);
      rule.set_protocol(target.port.protocol);
      rule.set_port_first(target.port.number);
      rule.set_port_last(target.port.number);
    }
  }
  return out;
}

Status validate_end(const SignedScope& scope, std::string_view network, const pb::NetworkBody& body,
                    const std::string& end) {
  TRY(require(is_end(end), "allow", "\"" + shortened(end) + "\" is nobody"));
  if (end == kAny || end == kWorld) return {};
  if (is_of_devices(end)) return require(body.has_access(), "allow", "no devices can join");
  const pb::Facets* facets = find_facets(scope.header, end);
  return require(facets != nullptr && contains(facets->spaces(), network), "allow",
                 "\"" + end + "\" does not stand in it");
}

Status validate_ports(const pb::Allow& allow) {
  if (allow.protocol().empty()) {
    return require(allow.port_first() == 0 && allow.port_last() == 0, "allow", "ports without a protocol");
  }
  TRY(require_rule(kProtocolRule, allow.protocol(), "allow.protocol"));
  return require(allow.port_first() >= 1 && allow.port_first() <= allow.port_last() && allow.port_last() <= kPortLast,
                 "allow", "not ports");
}

}  // namespace

std::optional<AllowRule> read_allow(const Cursor& cursor) {
  if (!cursor.is_scalar() && !cursor.is_map()) {
    cursor.complain_kind("a rule such as \"web -> db:5432\"");
    return std::nullopt;
  }
  AllowRule rule = cursor.is_map() ? read_map(cursor) : split(cursor.node().scalar, cursor.place());
  bool is_port =
      rule.port.empty() || parse_ports(rule.port) || (kPortNameRule.holds(rule.port) && is_workload(rule.to));
  bool is_rule =
      is_end(rule.from) && is_end(rule.to) && is_port && (rule.protocol.empty() || kProtocolRule.holds(rule.protocol));
  if (is_rule) return rule;
  // A map's missing keys and wrong kinds are told already.
  if (cursor.is_scalar() || (!rule.from.empty() && !rule.to.empty())) {
    cursor.complain("does not say who may open what", {std::string(kAllowed), ""});
  }
  return std::nullopt;
}

void check_allow(const Contract& contract, const Workload& workload, const Network& network, Report& report) {
  if (!network.allow) return;
  const std::string field = "workloads." + workload.name.value + ".allow";
  for (const AllowRule& rule : *network.allow) {
    check_end(contract, workload, rule.from, rule, field, report);
    if (rule.to != rule.from) check_end(contract, workload, rule.to, rule, field, report);
    check_world(rule, field, report);
    check_port(contract, rule, field, report);
  }
  for (const Workload& other : contract.workloads) {
    bool is_word = !is_workload(other.name.value);
    if (!is_word || !contains(standing(contract, other).spaces, workload.name.value)) continue;
    report.add(other.name.place, "workloads." + other.name.value,
               "the word means others in `allow` of \"" + workload.name.value + "\"", {"another name", ""});
  }
}

void compile_allow(CompileScope& scope, const Workload& workload, const Network& network, pb::NetworkBody& out) {
  if (!network.allow) return;
  out.set_restricted(true);
  std::vector<pb::Allow> rules;
  for (const AllowRule& rule : *network.allow) rules.push_back(compile_rule(scope.contract(), rule));
  for (pb::Allow& rule : implied_rules(scope.contract(), workload.name.value)) rules.push_back(std::move(rule));
  std::set<Bytes> seen;
  for (pb::Allow& rule : rules) {
    if (seen.insert(wire::encode(rule)).second) *out.add_allow() = std::move(rule);
  }
  if (out.allow_size() <= allow_bounds::kSigned) return;
  scope.report().add(workload.name.place, "workloads." + workload.name.value + ".allow",
                     "has " + std::to_string(out.allow_size()) + " rules with those that publications need",
                     {"at most " + std::to_string(allow_bounds::kSigned), ""});
}

Status validate_allow(const SignedScope& scope, std::string_view network, const pb::NetworkBody& body) {
  TRY(require(body.restricted() || body.allow().empty(), "allow", "rules, and everything is allowed"));
  TRY(require(body.allow_size() <= allow_bounds::kSigned, "allow",
              "at most " + std::to_string(allow_bounds::kSigned) + " rules"));
  std::set<Bytes> seen;
  for (const pb::Allow& allow : body.allow()) {
    TRY(validate_end(scope, network, body, allow.from()));
    TRY(validate_end(scope, network, body, allow.to()));
    TRY(require(allow.from() != kWorld, "allow", "the world comes in by no rule"));
    TRY(require(allow.to() != kWorld || !is_of_devices(allow.from()), "allow", "devices reach the world by themselves"));
    TRY(validate_ports(allow));
    TRY(require(seen.insert(wire::encode(allow)).second, "allow", "a rule stands there twice"));
  }
  return {};
}

std::string allow_text(const pb::Allow& allow) {
  std::string text = allow.from() + " -> " + allow.to();
  if (allow.protocol().empty()) return text;
  if (allow.port_first() == 1 && allow.port_last() == kPortLast) return text + "/" + allow.protocol();
  text += ":" + std::to_string(allow.port_first());
  if (allow.port_last() != allow.port_first()) text += "-" + std::to_string(allow.port_last());
  return text + "/" + allow.protocol();
}

}  // namespace mcloud::contract
