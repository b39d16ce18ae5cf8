#include <set>

#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/kinds/publish.h"
#include "contract/secret_field.h"
#include "contract/secrets.h"

namespace mcloud::contract {
namespace {

namespace bounds = container_bounds;

template <typename List>
Status check_arguments(const List& list, bool set, const std::string& field) {
  TRY(require(set || list.empty(), field, "is given but not marked as set"));
  TRY(require(static_cast<size_t>(list.size()) <= bounds::kArguments, field, "too many words"));
  for (const std::string& word : list) TRY(require_rule(kValueRule, word, field));
  return {};
}

Status check_image(const pb::ContainerBody& body) {
  TRY(require(body.has_image(), "image", "is missing"));
  const pb::Image& image = body.image();
  TRY(require_rule(kImageSourceRule, image.source(), "image.source"));
  TRY(require_rule(kDigestRule, image.digest(), "image.digest"));
  TRY(require_sorted(image.signers(), bounds::kImageSigners, "image.signers"));
  for (const std::string& key : image.signers()) {
    TRY(require(key.size() == PublicKey::kSize, "image.signers", "a key has 32 bytes"));
  }
  return require(image.signers().empty() || image.source().starts_with(kFlistPrefix), "image.signers",
                 "only images with the source fl: carry signatures");
}

Status check_process(const pb::ContainerBody& body) {
  TRY(check_image(body));
  TRY(check_arguments(body.entrypoint(), body.entrypoint_set(), "entrypoint"));
  TRY(check_arguments(body.command(), body.command_set(), "command"));
  if (!body.user().empty()) TRY(require_rule(kUserRule, body.user(), "user"));
  if (!body.working_folder().empty()) TRY(require_rule(kFolderRule, body.working_folder(), "working_folder"));
  TRY(require_bounds(bounds::kStopGraceMs, body.stop_grace_ms(), "stop_grace_ms"));
  return require_bounds(bounds::kFiles, body.files_max(), "files_max");
}

Status check_environment(const pb::ContainerBody& body) {
  TRY(require_sorted(body.environment(), bounds::kVariables, "environment", [](auto& v) -> auto& { return v.name(); }));
  for (const pb::Variable& variable : body.environment()) {
    TRY(require_rule(kVariableNameRule, variable.name(), "environment"));
    std::string field = environment_field(variable.name());
    TRY(require_rule(kValueRule, variable.value(), field));
    if (!variable.has_secret()) continue;
    TRY(require(variable.value().empty(), field, "has a value and a secret"));
    TRY(check_secret(variable.secret(), field));
  }
  return {};
}

Status check_files(const SignedScope& scope, const pb::ContainerBody& body) {
  auto path_of = [](auto& item) -> auto& { return item.path(); };
  TRY(require_sorted(body.mounts(), bounds::kMounts, "mounts", path_of));
  std::set<std::string> paths;
  for (const pb::Mount& mount : body.mounts()) {
    TRY(require_rule(kContainerPathRule, mount.path(), "mounts"));
    std::string field = "mounts." + mount.path();
    paths.insert(mount.path());
    if (mount.volume().empty()) {
      TRY(require_bounds(bounds::kTmpfsBytes, mount.tmpfs_bytes(), field + ".tmpfs_bytes"));
      TRY(require(!mount.read_only(), field, "a read-only tmpfs"));
      continue;
    }
    TRY(require(mount.tmpfs_bytes() == 0, field, "a volume and a tmpfs"));
    const pb::WorkloadBody* volume = find_body(scope.body, mount.volume());
    TRY(require(volume != nullptr && volume->has_volume(), field, "there is no volume of this name"));
  }
  TRY(require_sorted(body.secret_files(), bounds::kSecretFiles, "secret_files", path_of));
  for (const pb::SecretFile& file : body.secret_files()) {
    TRY(require_rule(kContainerPathRule, file.path(), "secret_files"));
    std::string field = secret_file_field(file.path());
    TRY(require(!paths.contains(file.path()), field, "something is mounted there"));
    TRY(require_bounds(bounds::kSecretMode, file.mode(), field + ".mode"));
    TRY(require(file.has_secret(), field, "the secret is missing"));
    TRY(check_secret(file.secret(), field));
  }
  return {};
}

Status check_ports(const pb::ContainerBody& body) {
  TRY(require_sorted(body.ports(), bounds::kPorts, "ports", [](auto& port) -> auto& { return port.name(); }));
  std::set<std::string> claimed;
  for (const pb::Port& port : body.ports()) {
    TRY(require_rule(kPortNameRule, port.name(), "ports"));
    TRY(require_bounds({1, 65535}, port.number(), "ports." + port.name()));
    TRY(require_rule(kProtocolRule, port.protocol(), "ports." + port.name()));
    TRY(require(claimed.insert(claim_name(port.protocol(), port.number())).second, "ports." + port.name(),
                "another port has this number"));
  }
  return {};
}

Status check_health(const pb::Facets& facets, const pb::ContainerBody& body) {
  if (!body.has_health()) return {};
  const pb::Health& health = body.health();
  bool reachable = facets.spaces_size() > 0;
  switch (health.check_case()) {
    case pb::Health::kHttp:
      TRY(require(reachable, "health.http", "the container stands in no network"));
      TRY(require_bounds({1, 65535}, health.http().port(), "health.http.port"));
      TRY(require_rule(kHttpPathRule, health.http().path(), "health.http.path"));
      break;
    case pb::Health::kTcp:
      TRY(require(reachable, "health.tcp", "the container stands in no network"));
      TRY(require_bounds({1, 65535}, health.tcp().port(), "health.tcp.port"));
      break;
    case pb::Health::kExec:
      TRY(require(!health.exec().command().empty(), "health.exec", "an empty command"));
      TRY(check_arguments(health.exec().command(), true, "health.exec"));
      break;
    case pb::Health::CHECK_NOT_SET:
      return refused("health", "says not how to check");
  }
  TRY(require_bounds(bounds::kIntervalMs, health.interval_ms(), "health.interval_ms"));
  TRY(require_bounds(bounds::kTimeoutMs, health.timeout_ms(), "health.timeout_ms"));
  TRY(require_bounds(bounds::kStartPeriodMs, health.start_period_ms(), "health.start_period_ms"));
  return require_bounds(bounds::kRetries, health.retries(), "health.retries");
}

Status check_restart(const pb::ContainerBody& body) {
  const pb::Restart& restart = body.restart();
  TRY(require(body.has_restart() && restart.when() >= pb::RESTART_ALWAYS && restart.when() <= pb::RESTART_NEVER,
              "restart.when", "is not set"));
  TRY(require_bounds(bounds::kBackoffMs, restart.backoff_ms(), "restart.backoff_ms"));
  TRY(require_bounds({restart.backoff_ms(), bounds::kBackoffMs.max}, restart.backoff_max_ms(), "restart.backoff_max_ms"));
  return require_bounds(bounds::kTries, restart.tries_max(), "restart.tries_max");
}

// The ledger decides by the facets, the node acts by the body: they must tell the same.
Status check_facets(const SignedScope& scope, const pb::Facets& facets, const pb::ContainerBody& body) {
  std::set<std::string> volumes;
  bool writes = false;
  uint64_t tmpfs_bytes = 0;
  for (const pb::Mount& mount : body.mounts()) {
    tmpfs_bytes += mount.tmpfs_bytes();
    if (mount.volume().empty()) continue;
    volumes.insert(mount.volume());
    writes = writes || !mount.read_only();
  }
  const pb::Demand& demand = facets.demand();
  TRY(require(std::equal(volumes.begin(), volumes.end(), facets.with().begin(), facets.with().end()), "mounts",
              "the header's `with` lists other volumes"));
  TRY(require(facets.exclusive() == writes, "mounts", "the header's `exclusive` says otherwise"));
  TRY(require(facets.has_health() == body.has_health(), "health", "the header's `has_health` says otherwise"));
  TRY(require(tmpfs_bytes <= demand.memory_bytes(), "mounts", "more tmpfs than memory"));
  std::vector<std::string> claims = claims_on(scope.body, facets.name());
  TRY(require(std::equal(claims.begin(), claims.end(), facets.claims().begin(), facets.claims().end()), "claims",
              "the header claims other ports than the publications"));
  TRY(require(static_cast<size_t>(facets.spaces_size()) <= bounds::kNetworks, "networks", "too many"));
  TRY(require_bounds(bounds::kCpuMilli, demand.cpu_milli(), "demand.cpu_milli"));
  TRY(require_bounds(bounds::kMemoryBytes, demand.memory_bytes(), "demand.memory_bytes"));
  TRY(require_bounds(bounds::kDiskBytes, demand.disk_bytes(), "demand.disk_bytes"));
  return require_bounds(bounds::kPids, demand.pids(), "demand.pids");
}

}  // namespace

Status validate_container(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& workload) {
  const pb::ContainerBody& body = workload.container();
  TRY(check_process(body));
  TRY(check_environment(body));
  TRY(check_files(scope, body));
  TRY(check_ports(body));
  TRY(check_health(facets, body));
  TRY(check_restart(body));
  return check_facets(scope, facets, body);
}

}  // namespace mcloud::contract
