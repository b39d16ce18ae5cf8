// Inside this room: how much of its disk a folder uses, found by looking at everything in it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace mcloud::node {

struct DiskUsage {
  uint64_t bytes = 0;
  bool is_whole = true;      // false: there is at least so much, a bound of the walk was met
  bool is_enforced = false;  // the file system itself refuses what would be too much
};

struct WalkLimits {
  uint64_t entries_max = 1'000'000;
  uint64_t time_max_ms = 20'000;
};

// Disk blocks of everything below `folder`, of a file with several names once. Follows no links, enters no other file
// system, takes any depth. The folder may be changing: what is moved about meanwhile may be missed, what is deleted
// but still open is never seen.
Result<DiskUsage> measure_folder(const std::string& folder, const WalkLimits& limits = {});

}  // namespace mcloud::node
