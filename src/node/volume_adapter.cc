#include "node/volume_adapter.h"

#include <unistd.h>

#include <charconv>

#include "base/log.h"
#include "io/file.h"
#include "node/container_spec.h"
#include "node/project_quota.h"

namespace mcloud::node {
namespace {

std::optional<ReplicaKey> volume_of(const std::string& contract_hex, const std::string& name) {
  auto contract = ContractId::from_hex(contract_hex);
  size_t dash = name.rfind('-');
  if (!contract.has_value() || dash == std::string::npos || dash == 0) return std::nullopt;
  ReplicaKey volume{*contract, name.substr(0, dash), 0};
  auto [end, error] = std::from_chars(name.data() + dash + 1, name.data() + name.size(), volume.index);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return volume;
}

}  // namespace

Result<std::unique_ptr<VolumeAdapter>> VolumeAdapter::open(std::string folder) {
  TRY(io::make_folders(folder, 0711));
  bool is_enforced = has_project_quota(folder);
  if (!is_enforced) {
    log::info("node", "the file system has no project quotas: disks are measured from time to time",
              {{"folder", folder}});
  }
  return std::unique_ptr<VolumeAdapter>(new VolumeAdapter(std::move(folder), is_enforced));
}

Result<std::map<ReplicaKey, uint64_t>> VolumeAdapter::list() {
  std::map<ReplicaKey, uint64_t> volumes;
  for (const std::string& contract : TRY(io::list_folder(folder_))) {
    auto names = io::list_folder(folder_ + "/" + contract);
    if (!names.has_value()) continue;
    for (const std::string& name : *names) {
      std::optional<ReplicaKey> volume = volume_of(contract, name);
      std::string folder = folder_ + "/" + contract + "/" + name;
      // Without data/ it was never finished: ensure() goes on with it.
      if (!volume || !io::exists(folder + "/data")) continue;
      uint64_t size = 0;
      if (auto text = io::read_file(folder + "/size", 32); text.has_value()) {
        std::from_chars(text->data(), text->data() + text->size(), size);
      }
      volumes[*volume] = size;
    }
  }
  return volumes;
}

Status VolumeAdapter::ensure(const ReplicaKey& volume, uint64_t size_bytes) {
  std::string folder = volume_folder(folder_, volume);
  TRY(io::make_folders(folder, 0711));
  if (is_enforced_) TRY(set_project_quota(folder, size_bytes));
  TRY(io::write_file(folder + "/size", std::to_string(size_bytes), io::Durability::Fsync, 0600));
  return io::make_folders(folder + "/data", 0755);
}

Result<DiskUsage> VolumeAdapter::usage(const ReplicaKey& volume) {
  std::string folder = volume_folder(folder_, volume);
  if (auto counted = is_enforced_ ? project_usage(folder) : std::nullopt) {
    return DiskUsage{.bytes = *counted, .is_enforced = true};
  }
  return measure_folder(folder);
}

Status VolumeAdapter::erase(const ReplicaKey& volume) {
  TRY(io::remove_tree(volume_folder(folder_, volume)));
  // The contract's folder goes with its last volume.
  ::rmdir((folder_ + "/" + volume.contract.hex()).c_str());
  return {};
}

}  // namespace mcloud::node
