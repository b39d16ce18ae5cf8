#include <algorithm>
#include <set>

#include "base/units.h"
#include "contract/conduct.h"
#include "contract/header.h"
#include "contract/kinds/container.h"
#include "contract/secret_field.h"

namespace mcloud::contract {
namespace {

namespace bounds = container_bounds;

std::vector<std::string> values_of(const std::vector<Text>& texts) {
  std::vector<std::string> out;
  for (const Text& text : texts) out.push_back(text.value);
  return out;
}

// Reports when `key`, the name of the entry `value`, breaks the rule.
void check_key(const Text& key, const Cursor& value, const Rule& rule) {
  if (!rule.holds(key.value)) {
    value.report().add(key.place, value.path(), "is not allowed here", {std::string(rule.allowed), ""});
  }
}

std::vector<Variable> read_environment(const Cursor& cursor) {
  std::vector<Variable> out;
  for (const auto& [name, value] : cursor.entries(bounds::kVariables)) {
    check_key(name, value, kVariableNameRule);
    Variable variable{name.value, "", std::nullopt};
    if (value.is_map()) {
      MapReader fields(value, name.place);
      if (auto found = fields.get("secret", "secret: env:" + name.value)) variable.secret = read_secret(*found);
      fields.finish();
    } else if (std::optional<Text> text = value.text(kValueRule)) {
      variable.value = text->value;
    }
    out.push_back(std::move(variable));
  }
  return out;
}

// Octal, as chmod(1) takes it.
std::optional<uint32_t> read_mode(const Cursor& cursor) {
  std::optional<Text> text = cursor.text();
  if (!text) return std::nullopt;
  std::string_view digits = text->value;
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  uint32_t mode = 0;
  bool good = !digits.empty() && digits.size() <= 4;
  for (char c : digits) {
    good = good && c >= '0' && c <= '7';
    mode = mode * 8 + static_cast<uint32_t>(c - '0');
  }
  if (good && mode <= bounds::kSecretMode.max) return mode;
  cursor.complain("is not a file mode", {"octal, 0000 to 0777, such as 0400", ""});
  return std::nullopt;
}

std::vector<SecretFile> read_secret_files(const Cursor& cursor) {
  std::vector<SecretFile> out;
  for (const auto& [path, value] : cursor.entries(bounds::kSecretFiles)) {
    check_key(path, value, kContainerPathRule);
    SecretFile file;
    file.path = path.value;
    MapReader fields(value, path.place);
    if (auto found = fields.get("secret", "secret: file:token.txt")) {
      file.secret = read_secret(*found).value_or(Placed<SecretReference>{});
    }
    if (auto found = fields.find("mode")) file.mode = read_mode(*found).value_or(file.mode);
    fields.finish();
    out.push_back(std::move(file));
  }
  return out;
}

void read_mount_fields(const Cursor& value, Place owner, Mount& mount) {
  MapReader fields(value, owner);
  std::optional<Cursor> volume = fields.find("volume");
  std::optional<Cursor> tmpfs = fields.find("tmpfs");
  if (volume) mount.volume = volume->text(kNameRule);
  if (tmpfs) mount.tmpfs_bytes = plain(tmpfs->size(bounds::kTmpfsBytes)).value_or(0);
  if (auto found = fields.find("read_only")) mount.read_only = found->boolean().value_or(false);
  fields.finish();
  if (value.is_map() && volume.has_value() == tmpfs.has_value()) {
    value.complain("does not say what to mount", {"exactly one of volume: NAME and tmpfs: SIZE", ""});
  }
  if (tmpfs && mount.read_only) value.complain("a read-only tmpfs stays empty", {"tmpfs without read_only", ""});
}

std::vector<Mount> read_mounts(const Cursor& cursor) {
  std::vector<Mount> out;
  for (const auto& [path, value] : cursor.entries(bounds::kMounts)) {
    check_key(path, value, kContainerPathRule);
    Mount mount;
    mount.path = path.value;
    if (value.is_scalar()) {
      mount.volume = value.text(kNameRule);
    } else {
      read_mount_fields(value, path.place, mount);
    }
    out.push_back(std::move(mount));
  }
  return out;
}

std::vector<Port> read_ports(const Cursor& cursor) {
  std::vector<Port> out;
  std::set<std::string> claimed;
  for (const auto& [name, value] : cursor.entries(bounds::kPorts)) {
    check_key(name, value, kPortNameRule);
    std::optional<Text> text = value.text();
    if (!text) continue;
    std::string_view number = text->value;
    Port port;
    port.name = name.value;
    if (size_t slash = number.find('/'); slash != std::string_view::npos) {
      port.protocol = std::string(number.substr(slash + 1));
      number = number.substr(0, slash);
    }
    std::optional<uint32_t> parsed = parse_port(number);
    if (!parsed || !kProtocolRule.holds(port.protocol)) {
      value.complain("is not a port", {"1 to 65535, with /udp behind it for UDP, such as 80 or 53/udp", ""});
      continue;
    }
    port.number = *parsed;
    if (!claimed.insert(claim_name(port.protocol, port.number)).second) value.complain("another port has this number");
    out.push_back(std::move(port));
  }
  return out;
}

void read_checked_port(const Cursor& cursor, Place owner, HealthCheck& check) {
  MapReader fields(cursor, owner);
  if (auto found = fields.get("port", "port: http")) check.port = found->text().value_or(Text{});
  if (check.how == HealthCheck::How::Http) {
    if (auto found = fields.find("path")) check.path = found->text(kHttpPathRule).value_or(Text{"/", {}}).value;
  }
  fields.finish();
}

std::optional<HealthCheck> read_health(const Cursor& cursor, Place owner) {
  HealthCheck check;
  check.place = cursor.place();
  MapReader fields(cursor, owner);
  std::optional<Cursor> http = fields.find("http"), tcp = fields.find("tcp"), exec = fields.find("exec");
  if (http) check.how = HealthCheck::How::Http;
  if (exec) check.how = HealthCheck::How::Exec;
  if (http || tcp) read_checked_port(http ? *http : *tcp, owner, check);
  if (exec) check.command = values_of(exec->texts(kValueRule, bounds::kArguments).value_or(std::vector<Text>{}));
  if (exec && exec->is_list() && exec->node().items.empty()) exec->complain("is an empty command");
  if (cursor.is_map() && http.has_value() + tcp.has_value() + exec.has_value() != 1) {
    cursor.complain("does not say how to check", {"exactly one of http: {port, path}, tcp: {port}, exec: [command]", ""});
  }
  if (auto found = fields.find("interval")) check.interval_ms = plain(found->duration_ms(bounds::kIntervalMs));
  if (auto found = fields.find("timeout")) check.timeout_ms = plain(found->duration_ms(bounds::kTimeoutMs));
  if (auto found = fields.find("start_period")) check.start_period_ms = plain(found->duration_ms(bounds::kStartPeriodMs));
  if (auto found = fields.find("retries")) check.retries = plain_u32(found->number(bounds::kRetries));
  fields.finish();
  return check;
}

RestartPolicy read_restart(const Cursor& cursor, Place owner) {
  RestartPolicy policy;
  if (cursor.is_scalar()) {
    policy.when = plain(cursor.word(kRestartWords));
    return policy;
  }
  MapReader fields(cursor, owner);
  if (auto found = fields.find("when")) policy.when = plain(found->word(kRestartWords));
  std::optional<Cursor> backoff_max = fields.find("backoff_max");
  if (auto found = fields.find("backoff")) policy.backoff_ms = plain(found->duration_ms(bounds::kBackoffMs));
  if (backoff_max) policy.backoff_max_ms = plain(backoff_max->duration_ms(bounds::kBackoffMs));
  if (auto found = fields.find("tries")) policy.tries_max = plain_u32(found->number(bounds::kTries));
  fields.finish();
  if (policy.backoff_ms && policy.backoff_max_ms && *policy.backoff_max_ms < *policy.backoff_ms) {
    backoff_max->complain("is below backoff", {"at least " + format_duration_ms(*policy.backoff_ms), ""});
  }
  return policy;
}

Resources read_resources(const Cursor& cursor, Place owner) {
  Resources resources;
  MapReader fields(cursor, owner);
  if (auto found = fields.find("cpu")) resources.cpu_milli = plain(found->cpu_milli(bounds::kCpuMilli));
  if (auto found = fields.find("memory")) resources.memory_bytes = plain(found->size(bounds::kMemoryBytes));
  if (auto found = fields.find("disk")) resources.disk_bytes = plain(found->size(bounds::kDiskBytes));
  if (auto found = fields.find("pids")) resources.pids = plain(found->number(bounds::kPids));
  if (auto found = fields.find("files")) resources.files = plain(found->number(bounds::kFiles));
  fields.finish();
  return resources;
}

std::optional<std::vector<std::string>> read_arguments(MapReader& fields, std::string_view key) {
  std::optional<Cursor> found = fields.find(key);
  if (!found) return std::nullopt;
  std::optional<std::vector<Text>> texts = found->texts(kValueRule, bounds::kArguments);
  return texts ? std::optional(values_of(*texts)) : std::nullopt;
}

void read_process(MapReader& fields, Container& container) {
  container.entrypoint = read_arguments(fields, "entrypoint");
  container.command = read_arguments(fields, "command");
  if (auto found = fields.find("environment")) container.environment = read_environment(*found);
  if (auto found = fields.find("user")) container.user = found->text(kUserRule).value_or(Text{}).value;
  if (auto found = fields.find("working_folder")) {
    container.working_folder = found->text(kFolderRule).value_or(Text{}).value;
  }
  if (auto found = fields.find("read_only")) container.read_only = found->boolean().value_or(false);
  if (auto found = fields.find("programs")) {
    container.only_image_programs = plain(found->word(kProgramWords)).value_or(false);
  }
  if (auto found = fields.find("stop_grace")) container.stop_grace_ms = plain(found->duration_ms(bounds::kStopGraceMs));
  if (auto found = fields.find("restart")) container.restart = read_restart(*found, fields.owner());
}

void read_world(MapReader& fields, Container& container) {
  if (auto found = fields.find("secret_files")) container.secret_files = read_secret_files(*found);
  if (auto found = fields.find("mounts")) container.mounts = read_mounts(*found);
  if (auto found = fields.find("ports")) container.ports = read_ports(*found);
  if (auto found = fields.find("networks")) container.networks = found->unique_texts(kNameRule, bounds::kNetworks);
  if (auto found = fields.find("health")) container.health = read_health(*found, fields.owner());
}

// A bare "nginx" or "./image" is what people write first.
std::optional<Text> read_image_source(const Cursor& cursor) {
  std::optional<Text> text = cursor.text();
  if (!text || kImageSourceRule.holds(text->value)) return text;
  std::string suggestion = text->value.starts_with('.') || text->value.starts_with('/') ? "oci:" : "docker://";
  suggestion += text->value;
  bool helps = text->value.find(':') == std::string::npos && kImageSourceRule.holds(suggestion);
  cursor.complain("does not say where the image is", {std::string(kImageSourceRule.allowed), helps ? suggestion : ""});
  return std::nullopt;
}

// `SOURCE`, or {source, digest, signed_by}.
void read_image(const Cursor& cursor, Place owner, Container& container) {
  if (!cursor.is_map()) {
    container.image = read_image_source(cursor).value_or(Text{});
    return;
  }
  MapReader fields(cursor, owner);
  if (auto found = fields.get("source", "source: fl:./image.fl")) {
    container.image = read_image_source(*found).value_or(Text{});
  }
  if (auto found = fields.find("digest")) container.image_digest = found->text(kDigestRule);
  if (auto found = fields.find("signed_by")) {
    container.image_signers = found->unique_texts(kWhoRule, bounds::kImageSigners).value_or(std::vector<Text>{});
  }
  fields.finish();
}

}  // namespace

void parse_container(MapReader& fields, Workload& workload) {
  Container container;
  if (auto found = fields.get("image", "image: oci:./image")) read_image(*found, fields.owner(), container);
  container.replicas.place = fields.owner();
  if (auto found = fields.find("replicas")) {
    if (auto count = found->number({0, kReplicasMax})) {
      container.replicas = {static_cast<uint32_t>(count->value), count->place};
    }
  }
  if (auto found = fields.find("resources")) container.resources = read_resources(*found, fields.owner());
  read_process(fields, container);
  read_world(fields, container);
  container.placement = read_placement(fields, PlacementOf::Workload);
  container.conduct = read_conduct(fields);
  workload.spec = std::move(container);
}

}  // namespace mcloud::contract
