#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "image/mount/fuse_device.h"

namespace mcloud::image {
namespace {

constexpr uint64_t kWanted = fuse::kAsyncRead | fuse::kDoReadFolderPlus | fuse::kReadFolderPlusAuto |
                             fuse::kParallelFolders | fuse::kMaxPages | fuse::kCacheLinks | fuse::kNoOpenFolder |
                             fuse::kExplicitInvalidate | fuse::kInitExtended | fuse::kPassthrough | fuse::kHasResend |
                             fuse::kAllowIdmap;

uint64_t agreed_flags(const fuse::InitIn& offered) {
  uint64_t flags = offered.flags;
  if (flags & fuse::kInitExtended) flags |= uint64_t{offered.flags2} << 32;
  return flags & kWanted;
}

Result<std::string> resolved(const std::string& folder) {
  char path[PATH_MAX];
  // The last component may be a dead mount, which must not be touched: only its parent is resolved.
  size_t slash = folder.find_last_of('/');
  std::string parent = slash == 0 ? "/" : folder.substr(0, slash);
  if (::realpath(parent.c_str(), path) == nullptr) return errno_error(errno, "find " + parent);
  std::string prefix = path;
  return (prefix == "/" ? "" : prefix) + folder.substr(slash);
}

}  // namespace

fuse::InitOut answer_init(const fuse::InitIn& offered) {
  uint64_t flags = agreed_flags(offered);
  fuse::InitOut out{};
  out.major = fuse::kMajor;
  out.minor = std::min(offered.minor, fuse::kMinor);
  out.read_ahead_max = offered.read_ahead_max;
  out.flags = static_cast<uint32_t>(flags);
  out.flags2 = static_cast<uint32_t>(flags >> 32);
  // Requests that wait for a dead store must not keep those of other images from being asked.
  out.background_max = 4096;
  out.congestion_threshold = 4096;
  out.write_max = 4096;
  out.time_granularity_ns = 1;
  out.pages_max = kReadBytesMax / 4096;
  out.stack_depth_max = 1;  // overlayfs on top of us; our cache on no stacked file system
  return out;
}

Negotiated negotiated_by(const fuse::InitIn& offered) {
  uint64_t flags = agreed_flags(offered);
  return {std::min(offered.minor, fuse::kMinor), (flags & fuse::kPassthrough) != 0, (flags & fuse::kHasResend) != 0,
          (flags & fuse::kAllowIdmap) != 0};
}

Result<io::Fd> mount_fuse(const std::string& folder) {
  io::Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device.is_open()) return errno_error(errno, "open /dev/fuse");
  std::string options = "fd=" + std::to_string(device.get()) +
                        ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
  // Not MS_NOSUID: programs of images may be set-uid, inside the user namespace of their container.
  unsigned long flags = MS_RDONLY | MS_NODEV | MS_NOATIME;
  if (::mount("mcloud-imagefs", folder.c_str(), "fuse.mcloud-imagefs", flags, options.c_str()) != 0) {
    return errno_error(errno, "mount FUSE on " + folder);
  }
  return device;
}

Result<Negotiated> negotiate(int fuse_fd, uint64_t timeout_ms) {
  struct pollfd ready {fuse_fd, POLLIN, 0};
  int events = ::poll(&ready, 1, static_cast<int>(timeout_ms));
  if (events < 0) return errno_error(errno, "wait for the kernel's first FUSE request");
  if (events == 0) return make_error(Code::TimedOut, "the kernel sends no FUSE request");
  alignas(8) char buffer[kRequestBytesMax];
  size_t bytes = TRY(FuseDevice(fuse_fd).next(buffer, sizeof buffer));
  fuse::InHeader header;
  fuse::InitIn offered{};
  if (bytes < sizeof header + 16) return make_error(Code::Corrupt, "the kernel's first FUSE request is too short");
  std::memcpy(&header, buffer, sizeof header);
  std::memcpy(&offered, buffer + sizeof header, std::min(sizeof offered, bytes - sizeof header));
  if (header.operation != fuse::kInit) return make_error(Code::Conflict, "this FUSE descriptor is in use already");
  if (offered.major != fuse::kMajor || offered.minor < fuse::kMinorMin) {
    FuseDevice(fuse_fd).reply_error(header.unique, EPROTO);
    return make_error(Code::Unsupported, "the kernel speaks FUSE " + std::to_string(offered.major) + "." +
                                             std::to_string(offered.minor) + "; 7.31 or later is needed (Linux 5.4)");
  }
  fuse::InitOut answer = answer_init(offered);
  FuseDevice(fuse_fd).reply(header.unique, {reinterpret_cast<const char*>(&answer), sizeof answer});
  return negotiated_by(offered);
}

bool names_fuse_mount(std::string_view mountinfo, std::string_view folder) {
  bool is_fuse = false;  // of the last that names the folder: it lies on top
  while (!mountinfo.empty()) {
    std::string_view line = mountinfo.substr(0, mountinfo.find('\n'));
    mountinfo.remove_prefix(std::min(mountinfo.size(), line.size() + 1));
    size_t type = line.find(" - ");
    size_t at = 0;
    for (int field = 0; field < 4 && at != std::string_view::npos; ++field) at = line.find(' ', at == 0 ? 0 : at + 1);
    if (type == std::string_view::npos || at == std::string_view::npos) continue;
    std::string_view point = line.substr(at + 1, line.find(' ', at + 1) - at - 1);
    if (point == folder) is_fuse = line.substr(type + 3).starts_with("fuse");
  }
  return is_fuse;
}

Result<bool> is_fuse_mount(const std::string& folder) {
  std::string path = TRY(resolved(folder));
  return names_fuse_mount(TRY(io::read_file("/proc/self/mountinfo")), path);
}

Status unmount_all(const std::string& folder) {
  for (int layers = 0; layers < 16; ++layers) {
    if (!TRY(is_fuse_mount(folder))) return {};
    if (::umount2(folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
      return errno_error(errno, "unmount " + folder);
    }
  }
  return make_error(Code::Conflict, "too many mounts on " + folder);
}

}  // namespace mcloud::image
