// Who a container's process runs as: "", "name", "uid", each with ":group" or ":gid", looked up as Docker does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace mcloud::runtime {

struct ContainerUser {
  uint32_t user = 0;
  uint32_t group = 0;
  std::vector<uint32_t> other_groups;  // sorted
  std::string home = "/";
};

// Pure: `passwd` and `group` are the texts of the container's files (hostile; "" when missing). Invalid when
// a name is not in them or an id is above 65535.
Result<ContainerUser> find_user(std::string_view wanted, std::string_view passwd, std::string_view group);

// A file as the container sees it: of the upper folder, or else of the lower one. Links lead around inside
// only. "" when it is no regular file; at most 1 MiB is read. Unavailable when it cannot be read: an image that
// is mounted lazily may lack it.
Result<Bytes> read_container_file(const std::string& upper, const std::string& lower, const std::string& path);

}  // namespace mcloud::runtime
