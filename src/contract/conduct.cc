#include "contract/conduct.h"

#include <algorithm>
#include <set>

#include "contract/header.h"
#include "contract/kinds/network.h"
#include "contract/kinds/reachable.h"
#include "contract/reference.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

constexpr uint64_t kHealthyAfterMs = 1000;
constexpr uint32_t kMaxUnavailable = 1;
constexpr Bounds kHealthyAfterBounds = {0, 3'600'000};

std::optional<std::map<std::string, std::string>> read_labels(const Cursor& cursor) {
  std::map<std::string, std::string> labels;
  for (const auto& [key, value] : cursor.entries(kListMax)) {
    if (!kLabelKeyRule.holds(key.value)) {
      cursor.report().add(key.place, value.path(), "is not a label's name", {std::string(kLabelKeyRule.allowed), ""});
    }
    if (std::optional<Text> text = value.text(kLabelValueRule)) labels[key.value] = text->value;
  }
  return labels;
}

void read_update(const Cursor& cursor, Place owner, Conduct& conduct) {
  MapReader fields(cursor, owner);
  if (auto found = fields.find("max_unavailable")) {
    if (auto count = found->number({1, kReplicasMax})) {
      conduct.max_unavailable = Placed<uint32_t>{static_cast<uint32_t>(count->value), count->place};
    }
  }
  if (auto found = fields.find("healthy_after")) {
    conduct.healthy_after_ms = plain(found->duration_ms(kHealthyAfterBounds));
  }
  fields.finish();
}

std::vector<std::string> sorted_values(const std::optional<std::vector<Text>>& own,
                                       const std::optional<std::vector<Text>>& common) {
  std::set<std::string> out;
  const auto& chosen = own ? own : common;
  if (chosen) {
    for (const Text& text : *chosen) out.insert(text.value);
  }
  return {out.begin(), out.end()};
}

// Of nodes that offer the physical networks which it stands in.
std::vector<std::string> bridge_labels(const Contract& contract, const Workload& workload) {
  std::vector<std::string> out;
  for (const std::string& space : standing(contract, workload).spaces) {
    const Network* network = contract.find_as<Network>(space);
    if (network != nullptr && network->bridge) out.push_back(bridge_label(network->bridge->value));
  }
  return out;
}

void check_neighbours(const Contract& contract, const Workload& workload, const std::vector<Text>& names,
                      std::string_view list, Report& report) {
  std::string field = "workloads." + workload.name.value + ".placement." + std::string(list);
  for (const Text& name : names) {
    refer_any<Container, Kv>(contract, name, field, "container or kv", report);
    if (name.value == workload.name.value) report.add(name.place, field, "names the workload itself");
  }
}

}  // namespace

Placement read_placement(MapReader& outer, PlacementOf whose) {
  Placement placement;
  std::optional<Cursor> cursor = outer.find("placement");
  if (!cursor) return placement;
  MapReader fields(*cursor, outer.owner());
  if (auto found = fields.find("farms")) placement.farms = found->unique_texts(kNameRule, kListMax);
  if (auto found = fields.find("countries")) placement.countries = found->unique_texts(kCountryRule, kListMax);
  if (auto found = fields.find("labels")) placement.labels = read_labels(*found);
  if (auto found = fields.find("spread")) placement.spread = plain(found->word(kSpreadWords));
  if (whose == PlacementOf::Workload) {
    if (auto found = fields.find("together")) {
      placement.together = found->unique_texts(kNameRule, kListMax).value_or(std::vector<Text>{});
    }
    if (auto found = fields.find("apart")) {
      placement.apart = found->unique_texts(kNameRule, kListMax).value_or(std::vector<Text>{});
    }
    if (auto found = fields.find("pin")) placement.pin = found->text(kNodeRule);
  }
  fields.finish();
  return placement;
}

Conduct read_conduct(MapReader& fields) {
  Conduct conduct;
  if (auto found = fields.find("on_node_loss")) conduct.on_node_loss = found->word(kNodeLossWords);
  if (auto found = fields.find("on_isolation")) conduct.on_isolation = plain(found->word(kIsolationWords));
  if (auto found = fields.find("on_mass_loss")) conduct.on_mass_loss = plain(found->word(kMassLossWords));
  if (auto found = fields.find("update")) read_update(*found, fields.owner(), conduct);
  return conduct;
}

void check_placement(const Contract& contract, const Workload& workload, const Placement& placement,
                     Report& report) {
  check_neighbours(contract, workload, placement.together, "together", report);
  check_neighbours(contract, workload, placement.apart, "apart", report);
  for (const Text& name : placement.apart) {
    auto same = [&](const Text& other) { return other.value == name.value; };
    if (std::any_of(placement.together.begin(), placement.together.end(), same)) {
      report.add(name.place, "workloads." + workload.name.value + ".placement.apart",
                 "\"" + name.value + "\" stands in together as well");
    }
  }
}

void check_conduct(const Workload& workload, const Conduct& conduct, uint32_t replicas, bool has_volumes,
                   Report& report) {
  std::string field = "workloads." + workload.name.value;
  if (conduct.max_unavailable && conduct.max_unavailable->value > std::max(1u, replicas)) {
    report.add(conduct.max_unavailable->place, field + ".update.max_unavailable",
               "is more than its replicas (" + std::to_string(replicas) + ")",
               {"1 to " + std::to_string(std::max(1u, replicas)), ""});
  }
  if (!conduct.on_node_loss) return;
  if (has_volumes && conduct.on_node_loss->value == pb::NODE_LOSS_MOVE) {
    report.add(conduct.on_node_loss->place, field + ".on_node_loss", "its volumes stay behind on the lost node",
               {"wait (for the node), start-empty (elsewhere, without the data)", ""});
  }
  if (!has_volumes && conduct.on_node_loss->value == pb::NODE_LOSS_START_EMPTY) {
    report.add(conduct.on_node_loss->place, field + ".on_node_loss", "it mounts no volume that could start empty",
               {"move, wait", "move"});
  }
}

void compile_placement(CompileScope& scope, const Workload& workload, const Placement& own, pb::Facets& facets) {
  const Placement& common = scope.contract().placement;
  pb::Placement& out = *facets.mutable_placement();
  for (std::string& farm : sorted_values(own.farms, common.farms)) out.add_farms(std::move(farm));
  for (std::string& country : sorted_values(own.countries, common.countries)) out.add_countries(std::move(country));
  const auto& written = own.labels ? own.labels : common.labels;
  std::map<std::string, std::string> labels = written ? *written : std::map<std::string, std::string>();
  for (std::string& key : bridge_labels(scope.contract(), workload)) labels[std::move(key)] = "yes";
  for (const auto& [key, value] : labels) {
    pb::Label& label = *out.add_labels();
    label.set_key(key);
    label.set_value(value);
  }
  out.set_spread(own.spread.value_or(common.spread.value_or(pb::SPREAD_PREFER)));
  for (std::string& name : sorted_values(own.together, std::nullopt)) out.add_together(std::move(name));
  for (std::string& name : sorted_values(own.apart, std::nullopt)) out.add_apart(std::move(name));
  if (!own.pin) return;
  Result<NodeId> node = scope.resolver().node_key(own.pin->value);
  if (node) {
    out.set_pin(node->bytes());
  } else {
    scope.report().add(own.pin->place, "workloads." + workload.name.value + ".placement.pin", node.error().message);
  }
}

void compile_conduct(const Conduct& conduct, bool has_volumes, pb::Facets& facets) {
  pb::NodeLoss by_default = has_volumes ? pb::NODE_LOSS_WAIT : pb::NODE_LOSS_MOVE;
  facets.set_on_node_loss(conduct.on_node_loss ? conduct.on_node_loss->value : by_default);
  facets.set_on_isolation(conduct.on_isolation.value_or(pb::ISOLATION_RUN));
  facets.set_on_mass_loss(conduct.on_mass_loss.value_or(pb::MASS_LOSS_HOLD));
  pb::Update& update = *facets.mutable_update();
  update.set_max_unavailable(conduct.max_unavailable ? conduct.max_unavailable->value : kMaxUnavailable);
  update.set_healthy_after_ms(conduct.healthy_after_ms.value_or(kHealthyAfterMs));
}

void make_unplaced(pb::Facets& facets) {
  facets.set_replicas(0);
  facets.mutable_demand();
  // Values of their own: were they the defaults, a new default would make old signed bytes invalid.
  facets.mutable_placement()->set_spread(pb::SPREAD_PREFER);
  facets.set_on_node_loss(pb::NODE_LOSS_MOVE);
  facets.set_on_isolation(pb::ISOLATION_RUN);
  facets.set_on_mass_loss(pb::MASS_LOSS_HOLD);
  facets.mutable_update()->set_max_unavailable(1);
}

Status check_unplaced(const pb::Facets& facets) {
  pb::Facets expected;
  expected.set_name(facets.name());
  expected.set_kind(facets.kind());
  make_unplaced(expected);
  if (wire::encode(expected) == wire::encode(facets)) return {};
  return make_error(Code::Invalid, "its facets ask for placement, but a " + facets.kind() + " is not placed");
}

}  // namespace mcloud::contract
