// Containers as the rooms image and runtime make them.
//
//   DATA/containers/ID/{spec,upper/,work/,log}   survive a reboot; gone on with when the spec is the same; bounded by
//                                                the demand for disk where the file system has project quotas
//   RUNTIME/records/ID                           pb::LocalContainer, written before ID starts; tmpfs
#pragma once

#include <memory>
#include <string>

#include "image/image.h"
#include "node/builtin_image.h"
#include "node/ports.h"
#include "runtime/container.h"

namespace mcloud::node {

class ContainerAdapter final : public Containers {
 public:
  struct Options {
    std::string chain_id;
    std::string disk_folder;                         // DATA/containers
    std::string record_folder;                       // RUNTIME/records
    std::string volume_folder;                       // DATA/volumes: of VolumeAdapter
    std::string control_folder;                      // RUNTIME/control: of KvAdapter
    std::string netns_folder;                        // of network::Machine, whose names are "mcloud-ID"
    std::string resolver_file = "/etc/resolv.conf";  // copied into containers
    uint64_t free_percent_min = 10;                  // of the disk: with less it is short
  };
  // All are borrowed and thread-safe. Makes its folders.
  static Result<std::unique_ptr<ContainerAdapter>> open(runtime::Runtime& runtime, image::Images& images,
                                                        BuiltinImage& builtin, Options options);

  Result<std::vector<FoundContainer>> list() override;
  Status prepare_image(const ContainerTask& task) override;
  Status start(const ContainerTask& task, uint32_t restarts) override;
  Status stop(const std::string& id, uint64_t grace_ms) override;
  Status adopt(const std::string& id, uint64_t epoch, uint64_t version) override;
  Result<runtime::ContainerStatus> status(const std::string& id) override;
  Status probe(const ContainerTask& task) override;
  Result<runtime::ContainerUsage> usage(const std::string& id) override;
  Result<std::vector<std::string>> wait_for_exits(uint64_t timeout_ms) override;
  Result<std::set<std::string>> disks() override;
  Status drop_disk(const std::string& id) override;
  Result<DiskUsage> disk_usage(const std::string& id) override;
  Result<std::vector<std::string>> images() override;
  Status drop_image(const std::string& digest) override;
  Status make_images_durable() override;
  bool is_disk_short() override;

 private:
  ContainerAdapter(runtime::Runtime& runtime, image::Images& images, BuiltinImage& builtin, Options options)
      : runtime_(runtime), images_(images), builtin_(builtin), options_(std::move(options)) {}

  std::string record_file(const std::string& id) const { return options_.record_folder + "/" + id; }
  std::string disk_of(const std::string& id) const { return options_.disk_folder + "/" + id; }
  Result<pb::LocalContainer> read_record(const std::string& id) const;
  Status write_record(const ContainerTask& task, uint32_t restarts) const;
  Status make_disk(const ContainerTask& task) const;
  std::string control_of(const std::string& id) const { return options_.control_folder + "/" + id; }
  Result<image::PreparedImage> image_of(const ContainerTask& task);
  Status sweep_builtin();

  std::string image_trouble(const std::string& id);

  runtime::Runtime& runtime_;
  image::Images& images_;
  BuiltinImage& builtin_;
  const Options options_;
  bool has_quota_ = false;  // of disks: a contract's demand is then a hard bound
};

}  // namespace mcloud::node
