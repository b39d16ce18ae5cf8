#include "runtime/user_range.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace mcloud::runtime {
namespace {

// A process that only holds a new user namespace until it is killed.
class Holder {
 public:
  Holder() {
    pid_ = static_cast<int>(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (pid_ != 0) return;
    // Should we die before we end it: raw calls only, this is a copy of one thread.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    poll(nullptr, 0, 10'000);
    _exit(0);
  }
  ~Holder() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  int pid() const { return pid_; }

 private:
  int pid_;
};

Status write_map(const std::string& path, const std::string& map) {
  io::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.is_open() || ::write(fd.get(), map.data(), map.size()) < 0) return errno_error(errno, "write " + path);
  return {};
}

}  // namespace

Result<io::Fd> make_user_range(uint32_t base_uid) {
  Holder holder;
  if (holder.pid() < 0) return errno_error(errno, "make a user namespace");
  std::string process = "/proc/" + std::to_string(holder.pid());
  std::string map = "0 " + std::to_string(base_uid) + " " + std::to_string(kUserRange) + "\n";
  TRY(write_map(process + "/uid_map", map));
  TRY(write_map(process + "/gid_map", map));
  io::Fd fd(::open((process + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "open a user namespace");
  return fd;
}

}  // namespace mcloud::runtime
