// Node-local volumes: a folder each, DATA/volumes/<contract hex>/<workload>-<index>/{data/,size}.
//
// Nothing but erase() removes one. The size is a hard bound where the file system counts project quotas
// (ext4 and xfs mounted with prjquota); elsewhere usage() tells what it holds, see node/disk_watch.h.
#pragma once

#include <memory>
#include <string>

#include "node/ports.h"

namespace mcloud::node {

class VolumeAdapter final : public Volumes {
 public:
  static Result<std::unique_ptr<VolumeAdapter>> open(std::string folder);

  Result<std::map<ReplicaKey, uint64_t>> list() override;
  Status ensure(const ReplicaKey& volume, uint64_t size_bytes) override;
  Status erase(const ReplicaKey& volume) override;
  Result<DiskUsage> usage(const ReplicaKey& volume) override;

  bool is_enforced() const { return is_enforced_; }

 private:
  VolumeAdapter(std::string folder, bool is_enforced) : folder_(std::move(folder)), is_enforced_(is_enforced) {}
  std::string folder_;
  bool is_enforced_;
};

}  // namespace mcloud::node
