// Control groups of both kinds: v2, and v1 (also "hybrid", where v2 holds no controller we need). A group is
// named by its path below the hierarchies' roots: "mcloud-x/node-y/web-0". Blocking; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::runtime {

struct CgroupLimits {
  uint64_t cpu_milli = 0;     // 0 = no bound, in all three
  uint64_t memory_bytes = 0;  // swap included: none is given on top
  uint64_t pids = 0;
};

struct CgroupUsage {
  uint64_t cpu_ns = 0;
  uint64_t memory_bytes = 0;
  uint64_t pids = 0;
  uint64_t out_of_memory_kills = 0;
};

class Cgroups {
 public:
  // Looks at the mounts of this process. Unavailable, naming them, when cpu, memory or pids is missing.
  static Result<Cgroups> detect();

  bool is_v2() const { return is_v2_; }

  // Makes the group and its parents (and enables the controllers on the way in v2). Existing is fine.
  Status create(const std::string& group) const;
  // Makes a group for some of the processes of `group`, which stays one that holds processes itself (in v2
  // such a one cannot pass controllers on): the bounds of `group` hold for both together.
  Status create_inside(const std::string& group, const std::string& name) const;
  Status set_limits(const std::string& group, const CgroupLimits& limits) const;
  Status move(const std::string& group, int pid) const;
  // Files to which a process writes "0" to enter the group itself.
  std::vector<std::string> entrances(const std::string& group) const;
  Result<CgroupUsage> usage(const std::string& group) const;
  // Processes in it and below.
  Result<std::vector<int>> processes(const std::string& group) const;
  // SIGKILL to all processes in it and below, until none is left; TimedOut after `timeout_ms`.
  Status kill(const std::string& group, uint64_t timeout_ms) const;
  // Kills and removes the group and all below it; absent is fine.
  Status remove(const std::string& group, uint64_t timeout_ms = 5'000) const;
  // Names of the groups directly below, of all hierarchies, sorted; none when it is absent.
  Result<std::vector<std::string>> children(const std::string& group) const;

 private:
  struct Hierarchy {
    std::string folder;  // mount point
    bool cpu = false;
    bool cpuacct = false;
    bool memory = false;
    bool pids = false;
  };
  bool is_v2_ = false;
  std::vector<Hierarchy> hierarchies_;
};

// Removes a group with all that is below and runs in it, in every hierarchy: what a dead node left.
Status sweep_cgroups(const std::string& group);

}  // namespace mcloud::runtime
