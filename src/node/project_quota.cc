#include "node/project_quota.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "io/file.h"

namespace mcloud::node {
namespace {

constexpr unsigned kProjectQuota = 2;  // PRJQUOTA
constexpr uint64_t kBlock = 512;       // of fs_disk_quota

int quota_call(int folder_fd, unsigned command, uint32_t project, void* argument) {
  return static_cast<int>(::syscall(SYS_quotactl_fd, folder_fd, QCMD(command, kProjectQuota), project, argument));
}

Result<io::Fd> open_folder(const std::string& folder) {
  io::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.is_open()) return errno_error(errno, folder);
  return fd;
}

// The folder's inode number is unique among living folders of the file system; 0 is everybody's project.
Result<uint32_t> project_of(int folder_fd, const std::string& folder) {
  struct stat status{};
  if (::fstat(folder_fd, &status) != 0) return errno_error(errno, folder);
  uint32_t project = static_cast<uint32_t>(status.st_ino ^ (static_cast<uint64_t>(status.st_ino) >> 32));
  return project == 0 ? 1 : project;
}

}  // namespace

bool has_project_quota(const std::string& folder) {
  auto fd = open_folder(folder);
  if (!fd.has_value()) return false;
  fs_quota_statv state{};
  state.qs_version = FS_QSTATV_VERSION1;
  if (quota_call(fd->get(), Q_XGETQSTATV, 0, &state) != 0) return false;
  return (state.qs_flags & FS_QUOTA_PDQ_ACCT) != 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
}

Status set_project_quota(const std::string& folder, uint64_t bytes) {
  io::Fd fd = TRY(open_folder(folder));
  uint32_t project = TRY(project_of(fd.get(), folder));
  fsxattr attributes{};
  if (::ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes) != 0) return errno_error(errno, folder);
  attributes.fsx_projid = project;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  if (::ioctl(fd.get(), FS_IOC_FSSETXATTR, &attributes) != 0) return errno_error(errno, folder + ": project");
  fs_disk_quota quota{};
  quota.d_version = FS_DQUOT_VERSION;
  quota.d_id = project;
  quota.d_flags = FS_PROJ_QUOTA;
  quota.d_fieldmask = FS_DQ_BHARD;
  quota.d_blk_hardlimit = (bytes + kBlock - 1) / kBlock;
  if (quota_call(fd.get(), Q_XSETQLIM, project, &quota) != 0) return errno_error(errno, folder + ": quota");
  return {};
}

std::optional<uint64_t> project_usage(const std::string& folder) {
  auto fd = open_folder(folder);
  if (!fd.has_value()) return std::nullopt;
  auto project = project_of(fd->get(), folder);
  fsxattr attributes{};
  if (!project.has_value() || ::ioctl(fd->get(), FS_IOC_FSGETXATTR, &attributes) != 0) return std::nullopt;
  fs_disk_quota quota{};
  if (attributes.fsx_projid != *project || quota_call(fd->get(), Q_XGETQUOTA, *project, &quota) != 0)
    return std::nullopt;
  if (quota.d_blk_hardlimit == 0) return std::nullopt;
  return quota.d_bcount * kBlock;
}

}  // namespace mcloud::node
