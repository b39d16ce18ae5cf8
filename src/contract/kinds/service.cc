#include "contract/kinds/service.h"

#include <algorithm>

#include "contract/conduct.h"
#include "contract/judge.h"

namespace mcloud::contract {
namespace {

constexpr std::string_view kYes = "yes";
constexpr uint64_t kCpuMilli = 10;
constexpr uint64_t kMemoryBytes = 16ull << 20;

}  // namespace

void check_service(const Contract& contract, const Workload& workload, const Service& service, Report& report) {
  const Placement& placement = service.placement;
  const std::string field = "workloads." + workload.name.value + "." + std::string(service.section);
  check_placement(contract, workload, placement, report);
  if (placement.spread && *placement.spread != pb::SPREAD_REQUIRE) {
    report.add(workload.name.place, field + ".spread", "two of them never share a node", {"require", "require"});
  }
  if (placement.pin && service.replicas > 1) {
    report.add(placement.pin->place, field + ".pin",
               "there are " + std::to_string(service.replicas) + " of them, each on a node of its own",
               {"farms, countries, labels", ""});
  }
  if (!placement.labels) return;
  auto own = placement.labels->find(std::string(service.label));
  if (own == placement.labels->end() || own->second == kYes) return;
  report.add(workload.name.place, field + ".labels." + std::string(service.label),
             "its nodes have the label " + std::string(service.label) + ": yes");
}

void compile_service(CompileScope& scope, const Workload& workload, const Service& service, pb::Facets& facets) {
  facets.set_replicas(service.replicas);
  pb::Demand& demand = *facets.mutable_demand();
  demand.set_cpu_milli(kCpuMilli);
  demand.set_memory_bytes(kMemoryBytes);
  Placement own = service.placement;
  if (!own.labels) own.labels.emplace();
  (*own.labels)[std::string(service.label)] = kYes;
  own.spread = pb::SPREAD_REQUIRE;
  compile_placement(scope, workload, own, facets);
  compile_conduct(Conduct{}, false, facets);
}

Status validate_service(const pb::Facets& facets, std::string_view label) {
  TRY(require_bounds(service_bounds::kReplicas, facets.replicas(), "replicas"));
  TRY(require(facets.demand().cpu_milli() > 0 && facets.demand().memory_bytes() > 0, "demand", "asks for nothing"));
  TRY(require(facets.placement().spread() == pb::SPREAD_REQUIRE, "placement.spread", "two of them never share a node"));
  auto is_label = [&](const pb::Label& own) { return own.key() == label && own.value() == kYes; };
  const auto& labels = facets.placement().labels();
  TRY(require(std::any_of(labels.begin(), labels.end(), is_label), "placement.labels",
              "its nodes need the label " + std::string(label) + ": yes"));
  TRY(require(!facets.exclusive() && !facets.has_set() && !facets.has_health() && facets.with().empty(),
              "exclusive, set, has_health, with", "it keeps nothing"));
  return require(facets.on_node_loss() == pb::NODE_LOSS_MOVE, "on_node_loss", "it keeps nothing, so it moves");
}

}  // namespace mcloud::contract
