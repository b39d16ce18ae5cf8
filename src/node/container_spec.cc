#include "node/container_spec.h"

#include "contract/secrets.h"
#include "network/names.h"
#include "node/kv_task.h"

namespace mcloud::node {
namespace {

// As Docker does: another entrypoint drops the image's command too.
Result<std::vector<std::string>> arguments_of(const pb::ContainerBody& body, const image::ImageConfig& image) {
  std::vector<std::string> arguments;
  if (body.entrypoint_set()) {
    arguments.assign(body.entrypoint().begin(), body.entrypoint().end());
  } else {
    arguments = image.entrypoint;
  }
  if (body.command_set()) {
    arguments.insert(arguments.end(), body.command().begin(), body.command().end());
  } else if (!body.entrypoint_set()) {
    arguments.insert(arguments.end(), image.command.begin(), image.command.end());
  }
  if (arguments.empty()) return make_error(Code::Invalid, "neither the image nor the contract names a program to run");
  return arguments;
}

class SpecMaker {
 public:
  SpecMaker(const ContainerTask& task, const image::PreparedImage& image, const ContainerSurroundings& surroundings)
      : task_(task), body_(*task.container), image_(image), surroundings_(surroundings),
        scope_(contract::secret_scope(surroundings.chain_id, task.contract->header())) {}

  Result<runtime::ContainerSpec> make() {
    runtime::ContainerSpec spec;
    spec.id = task_.container_id();
    spec.image_root = image_.root_folder;
    spec.disk_folder = surroundings_.disk_folder;
    spec.base_uid = task_.base_uid;
    spec.arguments = TRY(arguments_of(body_, image_.config));
    spec.environment = TRY(environment());
    spec.working_folder = !body_.working_folder().empty() ? body_.working_folder()
                          : !image_.config.working_folder.empty() ? image_.config.working_folder : "/";
    spec.user = body_.user().empty() ? image_.config.user : body_.user();
    spec.hostname = network::host_name(task_.replica.workload, task_.replica.index);
    spec.network_namespace = surroundings_.network_namespace;
    spec.read_only = body_.read_only();
    spec.only_image_programs = body_.only_image_programs();
    spec.stop_signal = image_.config.stop_signal;
    spec.log_path = surroundings_.disk_folder + "/log";
    add_limits(spec);
    add_mounts(spec);
    TRY(add_files(spec));
    return spec;
  }

 private:
  Result<Bytes> open(const pb::Secret& secret, std::string field) const {
    contract::SecretPlace place{.workload = task_.replica.workload, .field = std::move(field)};
    return contract::open_secret(task_.secret_key, scope_, place, secret.box()).with_context("secret " + place.field);
  }

  Result<std::vector<std::string>> environment() const {
    std::map<std::string, std::string> variables;
    for (const std::string& variable : image_.config.environment) {
      size_t equals = variable.find('=');
      if (equals == std::string::npos || equals == 0) continue;
      variables[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    for (const pb::Variable& variable : body_.environment()) {
      std::string& value = variables[variable.name()];
      value = variable.has_secret() ? TRY(open(variable.secret(), contract::environment_field(variable.name()))) : variable.value();
    }
    std::vector<std::string> environment;
    for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
    return environment;
  }

  void add_limits(runtime::ContainerSpec& spec) const {
    const pb::Demand& demand = task_.facets->demand();
    spec.limits.cpu_milli = demand.cpu_milli();
    spec.limits.memory_bytes = demand.memory_bytes();
    spec.limits.pids = demand.pids();
    if (body_.files_max() > 0) spec.limits.files_max = body_.files_max();
  }

  void add_mounts(runtime::ContainerSpec& spec) const {
    for (const pb::Mount& mount : body_.mounts()) {
      runtime::ContainerMount added{.path = mount.path(), .read_only = mount.read_only()};
      auto volume = task_.volumes.find(mount.path());
      if (volume != task_.volumes.end()) {
        added.source = volume_folder(surroundings_.volume_folder, volume->second) + "/data";
      } else {
        added.bytes_max = mount.tmpfs_bytes();
      }
      spec.mounts.push_back(std::move(added));
    }
    // It belongs to the contract's range as it is.
    if (task_.built_in)
      spec.mounts.push_back({.source = surroundings_.control_folder, .path = kControlPath, .idmapped = false});
  }

  std::string field_of(const pb::SecretFile& file) const {
    // The password is the only file of a built-in program.
    return task_.built_in ? std::string(contract::kPasswordField) : contract::secret_file_field(file.path());
  }

  Status add_files(runtime::ContainerSpec& spec) const {
    spec.files.push_back({.path = "/etc/hosts", .content = task_.hosts_file});
    spec.files.push_back({.path = "/etc/hostname", .content = spec.hostname + "\n"});
    if (!surroundings_.resolver.empty()) spec.files.push_back({.path = "/etc/resolv.conf", .content = surroundings_.resolver});
    for (const pb::SecretFile& file : body_.secret_files()) {
      spec.files.push_back({.path = file.path(), .content = TRY(open(file.secret(), field_of(file))),
                            .mode = file.mode(), .owned_by_user = true});
    }
    return {};
  }

  const ContainerTask& task_;
  const pb::ContainerBody& body_;
  const image::PreparedImage& image_;
  const ContainerSurroundings& surroundings_;
  const contract::SecretScope scope_;
};

}  // namespace

Result<runtime::ContainerSpec> container_spec(const ContainerTask& task, const image::PreparedImage& image,
                                              const ContainerSurroundings& surroundings) {
  return SpecMaker(task, image, surroundings).make();
}

std::string volume_folder(const std::string& volumes, const ReplicaKey& volume) {
  return volumes + "/" + volume.contract.hex() + "/" + volume.workload + "-" + std::to_string(volume.index);
}

}  // namespace mcloud::node
