#include "contract/kinds/volume.h"

#include <algorithm>
#include <array>

#include "base/units.h"
#include "contract/conduct.h"
#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

constexpr std::array<std::string_view, 1> kLiveFields = {"size_bytes"};

bool mounts(const Container& container, std::string_view volume) {
  return std::any_of(container.mounts.begin(), container.mounts.end(),
                     [&](const Mount& mount) { return mount.volume && mount.volume->value == volume; });
}
bool mounts(const pb::WorkloadBody& workload, std::string_view volume) {
  const auto& list = workload.container().mounts();
  return std::any_of(list.begin(), list.end(), [&](const pb::Mount& mount) { return mount.volume() == volume; });
}

void parse_volume(MapReader& fields, Workload& workload) {
  Volume volume;
  if (auto found = fields.get("size", "size: 1GiB")) {
    volume.size_bytes = found->size(container_bounds::kDiskBytes).value_or(Placed<uint64_t>{});
  }
  workload.spec = std::move(volume);
}

void check_volume(const Contract& contract, const Workload& workload, Report& report) {
  std::string field = "workloads." + workload.name.value;
  std::vector<std::string> containers = mounted_by(contract, workload.name.value);
  if (containers.empty()) {
    report.add(workload.name.place, field,
               "no container mounts this volume; write for example \"mounts: {/data: " + workload.name.value + "}\"");
  } else if (containers.size() > 1) {
    report.add(workload.name.place, field, "is mounted by " + joined_names(containers), {"one container", ""});
  }
}

// It goes where its container goes, so it says the same about placement.
void compile_volume(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body) {
  const Volume& volume = std::get<Volume>(workload.spec);
  body.mutable_volume()->set_size_bytes(volume.size_bytes.value);
  std::vector<std::string> containers = mounted_by(scope.contract(), workload.name.value);
  if (containers.size() != 1) return make_unplaced(facets);
  const Workload& leader = *scope.contract().find(containers.front());
  const Container& container = std::get<Container>(leader.spec);
  facets.set_replicas(container.replicas.value);
  facets.mutable_demand()->set_disk_bytes(volume.size_bytes.value);
  facets.set_exclusive(writes_volume(container));
  compile_placement(scope, leader, container.placement, facets);
  compile_conduct(container.conduct, true, facets);
}

Status validate_volume(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& body) {
  TRY(require_bounds(container_bounds::kDiskBytes, body.volume().size_bytes(), "size_bytes"));
  const pb::Demand& demand = facets.demand();
  TRY(require(demand.disk_bytes() == body.volume().size_bytes(), "size_bytes", "the header demands another size"));
  TRY(require(demand.cpu_milli() == 0 && demand.memory_bytes() == 0 && demand.pids() == 0, "demand",
              "a volume needs disk space only"));
  TRY(require(facets.with().empty() && facets.claims().empty() && facets.spaces().empty() && !facets.has_health(),
              "facets", "a volume has no volumes, claims, networks or health of its own"));
  int containers = 0;
  for (const pb::WorkloadBody& other : scope.body.workloads()) containers += mounts(other, body.name()) ? 1 : 0;
  return require(containers == 1, "mounts", "exactly one container mounts a volume");
}

std::string summarize(const pb::Facets& facets, const pb::WorkloadBody& body) {
  return std::to_string(facets.replicas()) + (facets.replicas() == 1 ? " volume of " : " volumes of ") +
         format_size(body.volume().size_bytes());
}

}  // namespace

const Kind kVolumeKind = {
    .name = "volume",
    .body_case = pb::WorkloadBody::kVolume,
    .parse = parse_volume,
    .check = check_volume,
    .compile = compile_volume,
    .validate = validate_volume,
    .summary = summarize,
    .own_facets = false,
    .live_fields = kLiveFields,
};

std::vector<std::string> mounted_by(const Contract& contract, std::string_view volume) {
  std::vector<std::string> names;
  for (const Workload& workload : contract.workloads) {
    const Container* container = std::get_if<Container>(&workload.spec);
    if (container != nullptr && mounts(*container, volume)) names.push_back(workload.name.value);
  }
  return names;
}

}  // namespace mcloud::contract
