#include "lab/logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace mcloud::lab {
namespace {

constexpr off_t kLogBytesMax = 16 << 20;

}  // namespace

Result<io::Fd> open_log(const Folders& folders, const std::string& name) {
  TRY(io::make_folders(folders.logs()));
  std::string path = folders.log_of(name);
  struct stat about{};
  if (::stat(path.c_str(), &about) == 0 && about.st_size > kLogBytesMax &&
      ::rename(path.c_str(), (path + ".1").c_str()) != 0) {
    return errno_error(errno, "set aside " + path);
  }
  io::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.is_open()) return errno_error(errno, "open " + path);
  return fd;
}

}  // namespace mcloud::lab
