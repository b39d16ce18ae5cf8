#include "image/unpacked/attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "image/limits.h"
#include "image/tree/tree.h"

namespace mcloud::image {

Status check_attributes(const TarEntry& entry) {
  if (entry.user > kUserIdMax || entry.group > kUserIdMax) {
    return make_error(Code::Unsupported, "owner " + std::to_string(static_cast<int64_t>(entry.user)) + ":" +
                                             std::to_string(static_cast<int64_t>(entry.group)) +
                                             ": ids above 65535 are not offered");
  }
  return {};
}

timespec modified_time(const TarEntry& entry) {
  bool is_valid = entry.modified_ns >= 0 && entry.modified_ns < 1'000'000'000;
  return {entry.modified_s, is_valid ? entry.modified_ns : 0};
}

Status set_attributes(int fd, const TarEntry& entry) {
  if (::fchown(fd, static_cast<uid_t>(entry.user), static_cast<gid_t>(entry.group)) != 0) {
    return errno_error(errno, "set owner");
  }
  if (::fchmod(fd, entry.mode) != 0) return errno_error(errno, "set mode");
  for (const auto& [name, value] : entry.attributes) {
    if (!is_kept_attribute(name, value)) continue;
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 && errno != EOPNOTSUPP) {
      return errno_error(errno, "set attribute " + name.substr(0, 100));
    }
  }
  timespec times[2] = {modified_time(entry), modified_time(entry)};
  if (::futimens(fd, times) != 0) return errno_error(errno, "set times");
  return {};
}

Status remove_attributes(int fd) {
  char names[64 << 10];
  ssize_t size = ::flistxattr(fd, names, sizeof names);
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names + at)) + 1) {
    std::string_view name(names + at);
    bool is_ours = name == "security.capability" || name.starts_with("user.");
    if (is_ours && ::fremovexattr(fd, names + at) != 0) return errno_error(errno, "remove attribute");
  }
  return {};
}

Status set_attributes_at(int folder, const std::string& name, const TarEntry& entry) {
  if (::fchownat(folder, name.c_str(), static_cast<uid_t>(entry.user), static_cast<gid_t>(entry.group),
                 AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, "set owner");
  }
  timespec times[2] = {modified_time(entry), modified_time(entry)};
  if (::utimensat(folder, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return errno_error(errno, "set times");
  return {};
}

}  // namespace mcloud::image
