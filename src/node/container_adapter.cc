#include "node/container_adapter.h"

#include <sys/statvfs.h>

#include "base/log.h"
#include "io/file.h"
#include "node/container_spec.h"
#include "node/kv_adapter.h"
#include "node/project_quota.h"
#include "runtime/probe.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr size_t kRecordBytesMax = 1 << 20;

image::ImageWanted wanted(const ContainerTask& task) {
  const pb::Image& image = task.container->image();
  image::ImageWanted wanted{image.source(), image.digest()};
  // The contract was validated: each is a key.
  for (const std::string& key : image.signers()) wanted.signers.push_back(PublicKey::from_bytes(key).value_or(PublicKey()));
  return wanted;
}

runtime::Probe probe_of(const ContainerTask& task) {
  const pb::Health& health = task.container->health();
  // As its network sees it: what listens on the loopback only serves nobody.
  std::string address = task.addresses.empty() ? "127.0.0.1" : task.addresses[0].address();
  if (health.has_http()) {
    return runtime::HttpProbe{
        .address = address, .port = static_cast<uint16_t>(health.http().port()), .path = health.http().path()};
  }
  if (health.has_tcp())
    return runtime::TcpProbe{.address = address, .port = static_cast<uint16_t>(health.tcp().port())};
  return runtime::ExecProbe{.arguments = {health.exec().command().begin(), health.exec().command().end()}};
}

}  // namespace

Result<std::unique_ptr<ContainerAdapter>> ContainerAdapter::open(runtime::Runtime& runtime, image::Images& images,
                                                                 BuiltinImage& builtin, Options options) {
  TRY(io::make_folders(options.disk_folder, 0700));
  TRY(io::make_folders(options.record_folder, 0700));
  TRY(io::make_folders(options.control_folder, 0700));
  auto adapter =
      std::unique_ptr<ContainerAdapter>(new ContainerAdapter(runtime, images, builtin, std::move(options)));
  adapter->has_quota_ = has_project_quota(adapter->options_.disk_folder);
  TRY(adapter->sweep_builtin());
  return adapter;
}

// Containers here say which root they were started on, also those that will be gone on with.
Status ContainerAdapter::sweep_builtin() {
  std::set<std::string> used;
  for (const std::string& id : TRY(io::list_folder(options_.disk_folder))) {
    auto root = io::read_file(disk_of(id) + "/image", 8192);
    if (root.has_value()) used.insert(*root);
  }
  return builtin_.sweep(used);
}

Result<pb::LocalContainer> ContainerAdapter::read_record(const std::string& id) const {
  Bytes bytes = TRY(io::read_file(record_file(id), kRecordBytesMax));
  return wire::decode<pb::LocalContainer>(bytes, "record of " + id, kRecordBytesMax);
}

Result<std::vector<FoundContainer>> ContainerAdapter::list() {
  std::vector<FoundContainer> found;
  std::set<std::string> present;
  for (const std::string& id : TRY(runtime_.list())) {
    present.insert(id);
    FoundContainer& container = found.emplace_back();
    container.id = id;
    if (auto record = read_record(id); record.has_value()) container.record = *record;
    auto status = runtime_.status(id);
    if (status.has_value()) container.status = *status;
  }
  // Records whose container was never started, or is gone with a reboot of the machine below us.
  for (const std::string& name : TRY(io::list_folder(options_.record_folder))) {
    if (!present.contains(name)) TRY(io::remove_tree(record_file(name)));
  }
  return found;
}

// The runtime notes in the disk folder on which root a container was started; a lazy image's ends in its digest.
std::string ContainerAdapter::image_trouble(const std::string& id) {
  Result<Bytes> root = io::read_file(disk_of(id) + "/image", 8192);
  if (!root.has_value()) return "";
  std::string name = root->substr(root->rfind('/') + 1);
  return images_.trouble("sha256:" + name.substr(0, name.find('-')));  // behind it: the shift of its owners
}

Status ContainerAdapter::prepare_image(const ContainerTask& task) {
  if (task.built_in) {
    auto built = builtin_.prepare();
    return built.has_value() ? Status() : Status(built.error());
  }
  auto prepared = images_.prepare(wanted(task));
  if (!prepared.has_value()) return prepared.error();
  return {};
}

Status ContainerAdapter::write_record(const ContainerTask& task, uint32_t restarts) const {
  pb::LocalContainer record;
  record.set_chain_id(options_.chain_id);
  record.set_contract(task.replica.contract.bytes());
  record.set_workload(task.replica.workload);
  record.set_index(task.replica.index);
  record.set_epoch(task.epoch);
  record.set_version(task.version);
  record.set_spec(task.spec.bytes());
  record.set_stop_on_isolation(task.facets->on_isolation() == pb::ISOLATION_STOP);
  for (const auto& [path, volume] : task.volumes) {
    pb::LocalVolume& local = *record.add_volumes();
    local.set_workload(volume.workload);
    local.set_index(volume.index);
  }
  record.set_restarts(restarts);
  record.set_stop_grace_ms(task.container->stop_grace_ms());
  return io::write_file(record_file(task.container_id()), wire::encode(record), io::Durability::None, 0600);
}

// What another spec left must not be seen by this one; what this one wrote before is its own.
Status ContainerAdapter::make_disk(const ContainerTask& task) const {
  std::string disk = disk_of(task.container_id());
  auto marked = io::read_file(disk + "/spec", Hash::kSize);
  if (!marked.has_value() || *marked != task.spec.view()) {
    TRY(io::remove_tree(disk));
    TRY(io::make_folders(disk, 0700));
    if (has_quota_ && task.facets->demand().disk_bytes() > 0)
      TRY(set_project_quota(disk, task.facets->demand().disk_bytes()));
    TRY(io::write_file(disk + "/spec", task.spec.view(), io::Durability::None, 0600));
  }
  return {};
}

Result<image::PreparedImage> ContainerAdapter::image_of(const ContainerTask& task) {
  if (task.built_in) return builtin_.prepare();
  Result<image::PreparedImage> found = images_.find(task.container->image().digest());
  // Dropped since it was prepared: preparing it again heals that.
  if (!found.has_value()) return make_error(Code::Unavailable, found.error().message);
  return found;
}

Status ContainerAdapter::start(const ContainerTask& task, uint32_t restarts) {
  std::string id = task.container_id();
  if (auto left = runtime_.status(id); left.has_value() || left.error().code != Code::NotFound) {
    if (left.has_value() && left->state == runtime::ContainerState::Running) {
      return make_error(Code::Conflict, "a container of this replica runs already");
    }
    TRY(runtime_.remove(id).with_context("remove what was left"));
  }
  image::PreparedImage image = TRY(image_of(task));
  ContainerSurroundings surroundings{
      .chain_id = options_.chain_id, .disk_folder = disk_of(id), .volume_folder = options_.volume_folder,
      .control_folder = control_of(id)};
  if (!task.addresses.empty()) surroundings.network_namespace = options_.netns_folder + "/mcloud-" + id;
  surroundings.resolver = task.resolv_conf;
  if (auto machine = io::read_file(options_.resolver_file, 64 << 10); task.resolv_conf.empty() && machine.has_value())
    surroundings.resolver = *machine;
  runtime::ContainerSpec spec = TRY(container_spec(task, image, surroundings));
  if (!task.built_in) {
    if (auto shifted = TRY(images_.shifted_root(image.digest, task.base_uid))) {
      spec.image_root = *shifted;
      spec.is_image_shifted = true;
    }
  }
  TRY(make_disk(task));
  if (task.built_in) TRY(make_control_folder(control_of(id), task.base_uid));
  TRY(write_record(task, restarts));
  Status started = runtime_.start(spec);
  if (started.has_value()) return {};
  if (std::string trouble = image_trouble(id); !trouble.empty())
    started = make_error(started.error().code, trouble + ": " + started.error().message);
  // Should anything be left after all, its record lets the next look name it.
  if (auto left = runtime_.status(id); !left.has_value() && left.error().code == Code::NotFound) {
    Status removed = io::remove_tree(record_file(id));
    if (!removed.has_value())
      log::warning("node", "record stays", {{"container", id}, {"reason", removed.error().message}});
  }
  return started;
}

Status ContainerAdapter::stop(const std::string& id, uint64_t grace_ms) {
  Status stopped = runtime_.stop(id, grace_ms);
  if (!stopped.has_value() && stopped.error().code != Code::NotFound) {
    log::warning("node", "container does not stop, it is killed",
                 {{"container", id}, {"reason", stopped.error().message}});
  }
  TRY(runtime_.remove(id));
  TRY(io::remove_tree(control_of(id)));
  return io::remove_tree(record_file(id));
}

Status ContainerAdapter::adopt(const std::string& id, uint64_t epoch, uint64_t version) {
  pb::LocalContainer record = TRY(read_record(id));
  record.set_epoch(epoch);
  record.set_version(version);
  return io::write_file(record_file(id), wire::encode(record), io::Durability::None, 0600);
}

Result<runtime::ContainerStatus> ContainerAdapter::status(const std::string& id) {
  runtime::ContainerStatus status = TRY(runtime_.status(id));
  bool has_failed = status.state == runtime::ContainerState::Stopped && status.exit_code.value_or(0) != 0;
  if (has_failed) status.note = image_trouble(id);
  return status;
}

Status ContainerAdapter::probe(const ContainerTask& task) {
  if (task.built_in) {
    auto answer = ask_kv(control_of(task.container_id()), {"PING"}, task.container->health().timeout_ms());
    if (!answer.has_value()) return answer.error();
  }
  return runtime::run_probe(runtime_, task.container_id(), probe_of(task), task.container->health().timeout_ms());
}

Result<runtime::ContainerUsage> ContainerAdapter::usage(const std::string& id) { return runtime_.usage(id); }

Result<std::vector<std::string>> ContainerAdapter::wait_for_exits(uint64_t timeout_ms) {
  return runtime_.wait_for_exits(timeout_ms);
}

Result<std::set<std::string>> ContainerAdapter::disks() {
  auto names = TRY(io::list_folder(options_.disk_folder));
  return std::set<std::string>(names.begin(), names.end());
}

Result<DiskUsage> ContainerAdapter::disk_usage(const std::string& id) {
  if (auto counted = has_quota_ ? project_usage(disk_of(id)) : std::nullopt) {
    return DiskUsage{.bytes = *counted, .is_enforced = true};
  }
  return measure_folder(disk_of(id));
}

Result<std::vector<std::string>> ContainerAdapter::images() { return images_.list(); }

Status ContainerAdapter::drop_image(const std::string& digest) { return images_.remove(digest); }

Status ContainerAdapter::make_images_durable() { return images_.make_durable(); }

bool ContainerAdapter::is_disk_short() {
  struct statvfs disk{};
  if (::statvfs(options_.disk_folder.c_str(), &disk) != 0 || disk.f_blocks == 0) return false;
  return disk.f_bavail < disk.f_blocks / 100 * options_.free_percent_min;
}

Status ContainerAdapter::drop_disk(const std::string& id) { return io::remove_tree(disk_of(id)); }

}  // namespace mcloud::node
