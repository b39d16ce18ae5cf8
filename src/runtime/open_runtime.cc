// What a machine must offer before containers run on it.
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "runtime/crun_runtime.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_filter.h"

namespace mcloud::runtime {
namespace {

Error missing(const std::string& what) { return make_error(Code::Unavailable, "containers cannot run here: " + what); }

// An absolute path: conmon looks nowhere else for crun.
Result<std::string> find_program(const std::string& program, const std::string& package) {
  std::string places = program.find('/') == std::string::npos ? "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin" : "";
  if (const char* path = std::getenv("PATH"); path != nullptr && !places.empty()) places = std::string(path) + ":" + places;
  for (size_t at = 0; at <= places.size();) {
    size_t end = std::min(places.find(':', at), places.size());
    std::string place = places.empty() ? program : places.substr(at, end - at) + "/" + program;
    if (place.starts_with('/') && ::access(place.c_str(), X_OK) == 0) return place;
    at = end + 1;
  }
  return missing("there is no program " + program + " (Debian package " + package + ")");
}

// Its path ends in mount options and socket names.
Status check_folder_name(const std::string& folder) {
  bool is_plain = folder.starts_with('/') && folder.size() <= 100 &&
                  folder.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") ==
                      std::string::npos;
  if (is_plain) return {};
  return make_error(Code::Invalid, "runtime folder \"" + folder +
                                       "\": must be an absolute path of at most 100 letters, digits and /._-");
}

// The container's root is an ordinary user to the host and walks through every folder of the path.
Status check_passable(const std::string& folder) {
  for (size_t slash = folder.find('/', 1); slash != std::string::npos; slash = folder.find('/', slash + 1)) {
    std::string above = folder.substr(0, slash);
    struct stat facts {};
    if (::stat(above.c_str(), &facts) != 0) return errno_error(errno, "runtime folder " + folder);
    if ((facts.st_mode & S_IXOTH) == 0) {
      return make_error(Code::Invalid, "runtime folder " + folder + ": others must be allowed to pass through " + above);
    }
  }
  return {};
}

Status prepare_folder(const std::string& folder) {
  TRY(check_folder_name(folder));
  TRY(io::make_folders(folder, 0711));
  TRY(check_passable(folder));
  struct statfs facts {};
  if (::statfs(folder.c_str(), &facts) != 0) return errno_error(errno, "runtime folder " + folder);
  if (facts.f_type != TMPFS_MAGIC && facts.f_type != RAMFS_MAGIC) {
    return make_error(Code::Invalid, "runtime folder " + folder + ": must lie on tmpfs, because it holds secrets in clear");
  }
  if (::chmod(folder.c_str(), 0711) != 0) return errno_error(errno, "runtime folder " + folder);
  for (const char* name : {"containers", "exits", "crun", "s"}) {
    std::string path = folder + "/" + name;
    TRY(io::make_folders(path, 0711));
  }
  return {};
}

Result<io::Fd> watch_exits(const std::string& folder) {
  io::Fd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd.is_open() || inotify_add_watch(fd.get(), folder.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
    return errno_error(errno, "watch " + folder);
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::open(const RuntimeOptions& options) {
  if (::geteuid() != 0) return missing("it needs root");
  RuntimeOptions found = options;
  found.crun = TRY(find_program(options.crun, "crun"));
  found.conmon = TRY(find_program(options.conmon, "conmon"));
  Result<Bytes> profile = io::read_file(options.seccomp_profile, 1 << 20);
  if (!profile.has_value()) {
    return missing("no seccomp profile at " + options.seccomp_profile +
                   " (Debian package golang-github-containers-common)");
  }
  CrunRuntime::Seccomp seccomp;
  seccomp.profile = TRY(convert_seccomp(*profile, seccomp_target(default_capabilities())));
  seccomp.filter = TRY(compile_seccomp(seccomp.profile));
  Cgroups cgroups = TRY(Cgroups::detect());
  TRY(prepare_folder(options.folder));
  io::Fd exits = TRY(watch_exits(options.folder + "/exits"));
  return std::unique_ptr<Runtime>(
      new CrunRuntime(found, std::move(cgroups), std::move(seccomp), std::move(exits)));
}

}  // namespace mcloud::runtime
