// Inside this room: a container's file systems, as steps that conmon's child does in its own mount namespace.
#pragma once

#include "runtime/child_steps.h"
#include "runtime/container.h"
#include "runtime/container_folder.h"
#include "runtime/oci_config.h"

namespace mcloud::runtime {

// Below the root, where only the image's programs are run: folders of the image that stay writable, each an overlay
// of its own (an upper folder cannot be noexec by itself: the kernel asks the overlay's mount). A link of the image is
// no folder. None in a read-only container, nor where the contract mounts something.
std::vector<std::string> writable_places(const ContainerSpec& spec);

// upper/ and work/ in the container's disk folder, or places/NAME/{upper,work}; fresh when they were made on another
// image. Conflict when they belong to another range of users.
Status prepare_disk(const ContainerSpec& spec);

// Writes the content files, makes the mount points, adds the steps; the mounts for config.json come back.
Result<std::vector<ReadyMount>> prepare_mounts(const ContainerSpec& spec, const ContainerUser& user,
                                               const ContainerFolder& folder, const io::Fd& user_range,
                                               ChildSteps& steps);

// A read-only sysfs that shows the given network namespace, and what its programs may do there. A user
// namespace may not mount sysfs for a network namespace that it does not own, nor bind low ports in it.
Status prepare_network(const ContainerFolder& folder, const io::Fd& network, const io::Fd& own_network,
                       ChildSteps& steps);

}  // namespace mcloud::runtime
