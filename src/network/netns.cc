#include "network/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace mcloud::network {
namespace {

bool is_netns(int fd) {
  struct statfs about{};
  return ::fstatfs(fd, &about) == 0 && about.f_type == NSFS_MAGIC && ::ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

}  // namespace

Result<io::Fd> own_netns() {
  io::Fd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "open the own network namespace");
  return fd;
}

Result<io::Fd> create_netns() {
  io::Fd home = TRY(own_netns());
  if (::unshare(CLONE_NEWNET) != 0) return errno_error(errno, "create a network namespace");
  auto made = own_netns();
  CHECK(::setns(home.get(), CLONE_NEWNET) == 0);
  return made;
}

Result<io::Fd> open_netns(const std::string& path) {
  io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "open network namespace " + path);
  if (!is_netns(fd.get())) return make_error(Code::Invalid, path + " is no network namespace");
  return fd;
}

Result<uint64_t> netns_number(const io::Fd& netns) {
  struct stat about{};
  if (::fstat(netns.get(), &about) != 0) return errno_error(errno, "look at a network namespace");
  return about.st_ino;
}

Status pin_netns(const io::Fd& netns, const std::string& path) {
  io::Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444));
  if (!file.is_open()) return errno_error(errno, "create " + path);
  if (is_netns(file.get())) return make_error(Code::AlreadyExists, path + " is a network namespace already");
  std::string source = "/proc/thread-self/fd/" + std::to_string(netns.get());
  if (::mount(source.c_str(), path.c_str(), "", MS_BIND, nullptr) != 0) return errno_error(errno, "mount " + path);
  return {};
}

Status unpin_netns(const std::string& path) {
  // EINVAL: a plain file. Several mounts on top of each other come off one by one.
  while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return errno_error(errno, "unmount " + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error(errno, "remove " + path);
  return {};
}

bool is_pinned_netns(const std::string& path) { return open_netns(path).has_value(); }

Result<NetnsScope> NetnsScope::enter(const io::Fd& netns) {
  io::Fd home = TRY(own_netns());
  if (::setns(netns.get(), CLONE_NEWNET) != 0) return errno_error(errno, "enter a network namespace");
  return NetnsScope(std::move(home));
}

NetnsScope::~NetnsScope() {
  if (home_.is_open()) CHECK(::setns(home_.get(), CLONE_NEWNET) == 0);
}

Status set_net_sysctl(const std::string& name, const std::string& value) {
  std::string path = "/proc/sys/net/" + name;
  io::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "open " + path);
  if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return errno_error(errno, "set " + path + " to " + value);
  }
  return {};
}

Result<std::string> net_sysctl(const std::string& name) {
  std::string path = "/proc/sys/net/" + name;
  io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[256];
  ssize_t got = fd.is_open() ? ::read(fd.get(), buffer, sizeof buffer) : -1;
  if (got < 0) return errno_error(errno, "read " + path);
  std::string text(buffer, static_cast<size_t>(got));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace mcloud::network
