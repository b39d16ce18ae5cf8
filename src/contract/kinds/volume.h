// `kind: volume`: disk space on the node of the one container that mounts it. It follows that container,
// replica by replica.
#pragma once

#include "contract/kinds/kind.h"

namespace mcloud::contract {

extern const Kind kVolumeKind;

// Containers that mount this volume, by name, sorted.
std::vector<std::string> mounted_by(const Contract& contract, std::string_view volume);

}  // namespace mcloud::contract
