// A replica of kind kv as a container whose program is our own: no image, no words of the contract's author on its
// command line. Pure.
//
//   /usr/bin/mcloud kv serve --managed ...   read-only root (node/builtin_image.h)
//   /data                                    its node-local volume, which has its own name and index
//   /run/control/socket                      for GROUP commands; a folder of the node (node/kv_adapter.h)
//   /run/secrets/password                    with KvBody.password
#pragma once

#include <memory>

#include "mcloud/contract.pb.h"

namespace mcloud::node {

inline constexpr const char* kBuiltinImage = "builtin:mcloud";  // as source and as digest
inline constexpr const char* kControlPath = "/run/control";     // in the container
inline constexpr const char* kControlSocket = "socket";
inline constexpr const char* kPasswordPath = "/run/secrets/password";

// `workload` names the volume. What stands in it makes the spec hash: what can change in a running process is left out.
std::shared_ptr<const pb::ContainerBody> kv_container(const pb::KvBody& body, const pb::Facets& facets);

}  // namespace mcloud::node
