#include <algorithm>
#include <set>

#include "contract/conduct.h"
#include "contract/kinds/container.h"
#include "contract/kinds/publish.h"
#include "contract/kinds/reachable.h"
#include "contract/secrets.h"

namespace mcloud::contract {
namespace {

namespace defaults {
constexpr uint64_t kCpuMilli = 250;
constexpr uint64_t kDiskBytes = 1ull << 30;
constexpr uint64_t kPids = 256;
constexpr uint64_t kFiles = 16'384;
constexpr uint64_t kStopGraceMs = 10'000;
constexpr uint64_t kIntervalMs = 2000;
constexpr uint64_t kTimeoutMs = 1000;
constexpr uint64_t kStartPeriodMs = 5000;
constexpr uint32_t kRetries = 3;
constexpr uint64_t kBackoffMs = 200;
constexpr uint64_t kBackoffMaxMs = 30'000;
constexpr uint32_t kTriesMax = 10;
}  // namespace defaults

template <typename T>
std::vector<T> sorted_by(const std::vector<T>& items, std::string T::*key) {
  std::vector<T> out = items;
  std::sort(out.begin(), out.end(), [&](const T& a, const T& b) { return a.*key < b.*key; });
  return out;
}

// "owner" is whoever applies the contract, as in its approvals.
void compile_image_signers(CompileScope& scope, const std::string& field, const Container& container,
                           const std::optional<std::vector<PublicKey>>& signed_by, pb::Image& out) {
  std::set<PublicKey> keys;
  for (const Text& who : container.image_signers) {
    Result<PublicKey> key = who.value == "owner" ? Result<PublicKey>(scope.context().owner)
                                                 : scope.resolver().key_of(who.value);
    if (!key) {
      scope.report().add(who.place, field + ".signed_by", key.error().message);
    } else if (!keys.insert(*key).second) {
      scope.report().add(who.place, field + ".signed_by", "\"" + who.value + "\" stands there under another name too");
    } else if (signed_by && std::find(signed_by->begin(), signed_by->end(), *key) == signed_by->end()) {
      scope.report().add(who.place, field + ".signed_by", "\"" + who.value + "\" has not signed " + out.digest() +
                                                              "; to sign: mcloud image sign FILE");
    }
  }
  for (const PublicKey& key : keys) out.add_signers(key.bytes());
}

void compile_image(CompileScope& scope, const Workload& workload, const Container& container, pb::Image& out) {
  std::string field = "workloads." + workload.name.value + ".image";
  Result<Resolver::Image> image = scope.resolver().image(
      container.image.value, container.image_digest ? container.image_digest->value : "");
  if (!image) {
    scope.report().add(container.image.place, field, image.error().message);
    return;
  }
  for (auto [text, rule] : {std::pair(&image->source, &kImageSourceRule), {&image->digest, &kDigestRule}}) {
    if (!rule->holds(*text)) {
      scope.report().add(container.image.place, field, "was found as \"" + *text + "\"", {std::string(rule->allowed), ""});
    }
  }
  out.set_source(image->source);
  out.set_digest(image->digest);
  compile_image_signers(scope, field, container, image->signers, out);
}

void compile_environment(CompileScope& scope, const Workload& workload, const Container& container,
                         pb::ContainerBody& out) {
  for (const Variable& variable : sorted_by(container.environment, &Variable::name)) {
    pb::Variable& target = *out.add_environment();
    target.set_name(variable.name);
    if (variable.secret) {
      *target.mutable_secret() = scope.seal(workload, environment_field(variable.name), *variable.secret);
    } else {
      target.set_value(variable.value);
    }
  }
  for (const SecretFile& file : sorted_by(container.secret_files, &SecretFile::path)) {
    pb::SecretFile& target = *out.add_secret_files();
    target.set_path(file.path);
    target.set_mode(file.mode);
    *target.mutable_secret() = scope.seal(workload, secret_file_field(file.path), file.secret);
  }
}

void compile_mounts_and_ports(const Container& container, pb::ContainerBody& out) {
  for (const Mount& mount : sorted_by(container.mounts, &Mount::path)) {
    pb::Mount& target = *out.add_mounts();
    target.set_path(mount.path);
    if (mount.volume) target.set_volume(mount.volume->value);
    target.set_tmpfs_bytes(mount.tmpfs_bytes);
    target.set_read_only(mount.read_only);
  }
  for (const Port& port : sorted_by(container.ports, &Port::name)) {
    pb::Port& target = *out.add_ports();
    target.set_name(port.name);
    target.set_number(port.number);
    target.set_protocol(port.protocol);
  }
}

void compile_health(const Container& container, pb::ContainerBody& out) {
  if (!container.health) return;
  const HealthCheck& check = *container.health;
  pb::Health& target = *out.mutable_health();
  const Port* port = find_port(container, check.port.value);
  uint32_t number = port != nullptr ? port->number : parse_port(check.port.value).value_or(0);
  switch (check.how) {
    case HealthCheck::How::Http:
      target.mutable_http()->set_port(number);
      target.mutable_http()->set_path(check.path);
      break;
    case HealthCheck::How::Tcp:
      target.mutable_tcp()->set_port(number);
      break;
    case HealthCheck::How::Exec:
      for (const std::string& word : check.command) target.mutable_exec()->add_command(word);
      break;
  }
  target.set_interval_ms(check.interval_ms.value_or(defaults::kIntervalMs));
  target.set_timeout_ms(check.timeout_ms.value_or(defaults::kTimeoutMs));
  target.set_start_period_ms(check.start_period_ms.value_or(defaults::kStartPeriodMs));
  target.set_retries(check.retries.value_or(defaults::kRetries));
}

void compile_restart(const RestartPolicy& policy, pb::Restart& out) {
  uint64_t backoff_ms = policy.backoff_ms.value_or(
      std::min(defaults::kBackoffMs, policy.backoff_max_ms.value_or(defaults::kBackoffMs)));
  out.set_when(policy.when.value_or(pb::RESTART_ALWAYS));
  out.set_backoff_ms(backoff_ms);
  out.set_backoff_max_ms(policy.backoff_max_ms.value_or(std::max(defaults::kBackoffMaxMs, backoff_ms)));
  out.set_tries_max(policy.tries_max.value_or(defaults::kTriesMax));
}

void compile_process(const Container& container, pb::ContainerBody& out) {
  out.set_entrypoint_set(container.entrypoint.has_value());
  out.set_command_set(container.command.has_value());
  if (container.entrypoint) out.mutable_entrypoint()->Assign(container.entrypoint->begin(), container.entrypoint->end());
  if (container.command) out.mutable_command()->Assign(container.command->begin(), container.command->end());
  out.set_user(container.user);
  out.set_working_folder(container.working_folder);
  out.set_read_only(container.read_only);
  out.set_only_image_programs(container.only_image_programs);
  out.set_stop_grace_ms(container.stop_grace_ms.value_or(defaults::kStopGraceMs));
  out.set_files_max(container.resources.files.value_or(defaults::kFiles));
}

void compile_facets(CompileScope& scope, const Workload& workload, const Container& container, pb::Facets& facets) {
  const Contract& contract = scope.contract();
  facets.set_replicas(container.replicas.value);
  pb::Demand& demand = *facets.mutable_demand();
  demand.set_cpu_milli(container.resources.cpu_milli.value_or(defaults::kCpuMilli));
  demand.set_memory_bytes(container.resources.memory_bytes.value_or(container_bounds::kDefaultMemoryBytes));
  demand.set_disk_bytes(container.resources.disk_bytes.value_or(defaults::kDiskBytes));
  demand.set_pids(container.resources.pids.value_or(defaults::kPids));
  facets.set_exclusive(writes_volume(container));
  std::set<std::string> volumes;
  for (const Mount& mount : container.mounts) {
    if (mount.volume) volumes.insert(mount.volume->value);
  }
  facets.mutable_with()->Assign(volumes.begin(), volumes.end());
  for (std::string& claim : claims_on(contract, workload.name.value)) facets.add_claims(std::move(claim));
  for (std::string& space : spaces_of(contract, container.networks)) facets.add_spaces(std::move(space));
  facets.set_has_health(container.health.has_value());
  compile_placement(scope, workload, container.placement, facets);
  compile_conduct(container.conduct, mounts_volume(container), facets);
}

}  // namespace

void compile_container(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body) {
  const Container& container = std::get<Container>(workload.spec);
  compile_facets(scope, workload, container, facets);
  pb::ContainerBody& out = *body.mutable_container();
  compile_image(scope, workload, container, *out.mutable_image());
  compile_process(container, out);
  compile_environment(scope, workload, container, out);
  compile_mounts_and_ports(container, out);
  compile_health(container, out);
  compile_restart(container.restart, *out.mutable_restart());
}

}  // namespace mcloud::contract
