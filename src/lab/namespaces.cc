#include "lab/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace mcloud::lab {
namespace {

// Children of the calling thread begin a pid namespace of their own while this lives.
class PidNamespaceForChild {
 public:
  static Result<PidNamespaceForChild> begin() {
    io::Fd home(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
    if (!home.is_open()) return errno_error(errno, "open the own pid namespace");
    if (::unshare(CLONE_NEWPID) != 0) return errno_error(errno, "create a pid namespace");
    return PidNamespaceForChild(std::move(home));
  }
  PidNamespaceForChild(PidNamespaceForChild&&) noexcept = default;
  PidNamespaceForChild& operator=(PidNamespaceForChild&&) = delete;
  ~PidNamespaceForChild() {
    if (home_.is_open()) CHECK(::setns(home_.get(), CLONE_NEWPID) == 0);
  }

 private:
  explicit PidNamespaceForChild(io::Fd home) : home_(std::move(home)) {}
  io::Fd home_;
};

// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void give_up(const char* doing) {
  const char* reason = strerrordesc_np(errno);
  for (const char* text : {"cannot ", doing, ": ", reason == nullptr ? "?" : reason, "\n"}) {
    [[maybe_unused]] ssize_t written = ::write(2, text, std::strlen(text));
  }
  ::_exit(126);
}

void need(bool done, const char* doing) {
  if (!done) give_up(doing);
}

void enter_cgroup(const char* file) {
  int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  need(fd >= 0, "open a control group");
  need(::write(fd, "0", 1) == 1, "enter a control group");
  ::close(fd);
}

void enclose(const Enclosure& enclosure) {
  for (const std::string& file : enclosure.cgroups) enter_cgroup(file.c_str());
  if (enclosure.netns >= 0) {
    need(::setns(enclosure.netns, CLONE_NEWNET) == 0, "enter the network namespace");
  } else {
    need(::unshare(CLONE_NEWNET) == 0, "create a network namespace");
  }
  bool named = !enclosure.host_name.empty();
  need(::unshare(CLONE_NEWNS | (named ? CLONE_NEWUTS | CLONE_NEWIPC : 0)) == 0, "create namespaces");
  need(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "make mounts private");
  need(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0, "mount /proc");
  need(::mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=512m") == 0, "mount /run");
  if (!enclosure.hybrid_mount.empty()) {
    need(::umount2(enclosure.hybrid_mount.c_str(), MNT_DETACH) == 0, "unmount the unified control groups");
  }
  if (named) need(::sethostname(enclosure.host_name.c_str(), enclosure.host_name.size()) == 0, "set the host name");
}

}  // namespace

Result<std::unique_ptr<io::Child>> start_enclosed(Enclosure enclosure) {
  PidNamespaceForChild fresh = TRY(PidNamespaceForChild::begin());
  enclosure.command.in_child = [&enclosure] { enclose(enclosure); };
  return io::Child::start(
      enclosure.command,
      {.output = enclosure.output, .errors = enclosure.output, .die_with_parent = true, .new_session = true});
}

}  // namespace mcloud::lab
