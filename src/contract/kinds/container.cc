#include "contract/kinds/container.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/units.h"
#include "contract/conduct.h"
#include "contract/kinds/reachable.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

// How often to look, when to give up and where the same image lies reach a running replica as it is.
constexpr std::array<std::string_view, 4> kLiveFields = {"health", "image.source", "restart", "stop_grace_ms"};

void check_health(const Contract& contract, const Workload& workload, const Container& container, Report& report) {
  if (!container.health || container.health->how == HealthCheck::How::Exec) return;
  const HealthCheck& health = *container.health;
  std::string field = "workloads." + workload.name.value + ".health";
  if (spaces_of(contract, container.networks).empty()) {
    report.add(health.place, field, "nothing can reach a container without a network", {"exec: [command]", ""});
  }
  if (health.port.value.empty() || parse_port(health.port.value)) return;
  field += health.how == HealthCheck::How::Http ? ".http.port" : ".tcp.port";
  std::vector<std::string> names;
  for (const Port& port : container.ports) {
    if (port.protocol == "tcp") names.push_back(port.name);
    if (port.name != health.port.value) continue;
    if (port.protocol != "tcp") report.add(health.port.place, field, "the port \"" + port.name + "\" is not a TCP port");
    return;
  }
  std::string allowed = names.empty() ? "a number from 1 to 65535" : joined_names(names) + ", or a number";
  report.add(health.port.place, field, "there is no port \"" + health.port.value + "\"",
             {allowed, nearest_spelling(health.port.value, names)});
}

void check_mounts(const Contract& contract, const Workload& workload, const Container& container, Report& report) {
  std::string field = "workloads." + workload.name.value;
  std::set<std::string> paths;
  uint64_t tmpfs_bytes = 0;
  for (const Mount& mount : container.mounts) {
    paths.insert(mount.path);
    tmpfs_bytes += mount.tmpfs_bytes;
    if (mount.volume) refer<Volume>(contract, *mount.volume, field + ".mounts." + mount.path, "volume", report);
  }
  uint64_t memory_bytes = container.resources.memory_bytes.value_or(container_bounds::kDefaultMemoryBytes);
  if (tmpfs_bytes > memory_bytes) {
    report.add(workload.name.place, field + ".mounts",
               "tmpfs of " + format_size(tmpfs_bytes) + " in all; it counts as memory",
               {"at most resources.memory, " + format_size(memory_bytes), ""});
  }
  for (const SecretFile& file : container.secret_files) {
    if (paths.contains(file.path)) {
      report.add(file.secret.place, field + ".secret_files." + file.path, "something is mounted at this path");
    }
  }
}

void check_image(const Workload& workload, const Container& container, Report& report) {
  if (container.image_signers.empty() || container.image.value.empty() || container.image.value.starts_with(kFlistPrefix)) return;
  report.add(container.image_signers[0].place, "workloads." + workload.name.value + ".image.signed_by",
             "only images with the source fl: carry signatures", {"source: fl:FILE or fl:http(s)://HOST/NAME", ""});
}

std::string summarize(const pb::Facets& facets, const pb::WorkloadBody& body) {
  const pb::Demand& demand = facets.demand();
  return std::to_string(facets.replicas()) + (facets.replicas() == 1 ? " replica of " : " replicas of ") +
         body.container().image().source() + ", " + format_cpu_milli(demand.cpu_milli()) + " cpu, " +
         format_size(demand.memory_bytes()) + " memory, " + format_size(demand.disk_bytes()) + " disk";
}

}  // namespace

const Kind kContainerKind = {
    .name = "container",
    .body_case = pb::WorkloadBody::kContainer,
    .parse = parse_container,
    .check = check_container,
    .compile = compile_container,
    .validate = validate_container,
    .summary = summarize,
    .own_facets = true,
    .live_fields = kLiveFields,
};

void check_container(const Contract& contract, const Workload& workload, Report& report) {
  const Container& container = std::get<Container>(workload.spec);
  check_image(workload, container, report);
  check_networks(contract, workload, container.networks, report);
  check_mounts(contract, workload, container, report);
  check_health(contract, workload, container, report);
  check_placement(contract, workload, container.placement, report);
  check_conduct(workload, container.conduct, container.replicas.value, mounts_volume(container), report);
}

bool is_named(const Port& port, std::string_view name_or_number) {
  return port.name == name_or_number || std::to_string(port.number) == name_or_number;
}

const Port* find_port(const Container& container, std::string_view name_or_number) {
  for (const Port& port : container.ports) {
    if (is_named(port, name_or_number)) return &port;
  }
  return nullptr;
}

bool mounts_volume(const Container& container) {
  auto is_volume = [](const Mount& mount) { return mount.volume.has_value(); };
  return std::any_of(container.mounts.begin(), container.mounts.end(), is_volume);
}

bool writes_volume(const Container& container) {
  auto is_writable = [](const Mount& mount) { return mount.volume.has_value() && !mount.read_only; };
  return std::any_of(container.mounts.begin(), container.mounts.end(), is_writable);
}

}  // namespace mcloud::contract
