// From a verified task and a prepared image to what the runtime starts: commands, secrets, files, mounts. Pure.
#pragma once

#include <string>

#include "image/image.h"
#include "node/desired.h"
#include "runtime/container.h"

namespace mcloud::node {

struct ContainerSurroundings {
  std::string chain_id;
  std::string disk_folder;        // this container's
  std::string volume_folder;      // of all volumes
  std::string network_namespace;  // path; "" = none
  std::string resolver;           // content of /etc/resolv.conf
  std::string control_folder;     // of a built-in program: mounted at kControlPath
};

// Invalid: neither image nor contract names a program. Denied: a secret does not open.
Result<runtime::ContainerSpec> container_spec(const ContainerTask& task, const image::PreparedImage& image,
                                              const ContainerSurroundings& surroundings);

// DATA/volumes/<contract hex>/<workload>-<index>
std::string volume_folder(const std::string& volumes, const ReplicaKey& volume);

}  // namespace mcloud::node
