// The routing daemon's configuration for one node of the ring: eBGP with each neighbour, BFD to notice a
// silent cut. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lab/layout.h"

namespace mcloud::lab {

std::string bird_config(size_t index, const std::vector<RingLink>& ring);
// Runs in the foreground; the node's pid 1 restarts it.
std::vector<std::string> bird_command(const std::string& config_file);

}  // namespace mcloud::lab
