// Inside this room: where control groups are mounted, from /proc/self/mountinfo (proc(5)). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mcloud::runtime {

struct CgroupMount {
  std::string folder;
  bool is_v2 = false;
  std::vector<std::string> options;  // of the superblock: the controllers of a v1 hierarchy are among them

  bool has(std::string_view option) const;
};

std::vector<CgroupMount> find_cgroup_mounts(std::string_view mountinfo);

}  // namespace mcloud::runtime
