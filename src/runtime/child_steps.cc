#include "runtime/child_steps.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

// <sys/mount.h> of glibc 2.36 clashes with <linux/mount.h>.
extern "C" {
int mount(const char* source, const char* target, const char* type, unsigned long flags, const void* data) noexcept;
int umount2(const char* target, int flags) noexcept;
}

namespace mcloud::runtime {
namespace {

constexpr int kDetach = 2;                // MNT_DETACH

}  // namespace

void ChildSteps::own_mounts() {
  Step step{Step::Kind::OwnMounts, "make a mount namespace"};
  steps_.push_back(std::move(step));
}

void ChildSteps::hide_folder(const std::string& path) {
  Step step{Step::Kind::Hide, "unmount " + path};
  step.target = path;
  step.may_fail = true;
  steps_.push_back(std::move(step));
}

void ChildSteps::bind(const Bind& bind) {
  Step step{Step::Kind::Bind, "mount " + bind.source};
  step.source = bind.source;
  step.target = bind.target;
  step.descriptor = bind.user_range == nullptr ? -1 : bind.user_range->get();
  step.flags = MOUNT_ATTR_NODEV;
  if (bind.read_only) step.flags |= MOUNT_ATTR_RDONLY;
  if (bind.no_programs) step.flags |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  steps_.push_back(std::move(step));
}

void ChildSteps::mount(const std::string& type, const std::string& target, unsigned long flags,
                       const std::string& options) {
  Step step{Step::Kind::Mount, "mount " + type};
  step.source = type;
  step.target = target;
  step.text = options;
  step.flags = flags;
  steps_.push_back(std::move(step));
}

void ChildSteps::enter_network(const io::Fd& network) {
  Step step{Step::Kind::EnterNetwork, "enter a network namespace"};
  step.descriptor = network.get();
  steps_.push_back(std::move(step));
}

void ChildSteps::write(const std::string& path, const std::string& text, bool may_fail) {
  Step step{Step::Kind::Write, "write " + path};
  step.target = path;
  step.text = text;
  step.may_fail = may_fail;
  steps_.push_back(std::move(step));
}

void ChildSteps::write_as(const io::Fd& processes, const io::Fd& own_processes, const std::string& path,
                          const std::string& text) {
  Step step{Step::Kind::WriteAs, "write " + path};
  step.target = path;
  step.text = text;
  step.descriptor = processes.get();
  step.own_descriptor = own_processes.get();
  steps_.push_back(std::move(step));
}

Status ChildSteps::attach(io::Command& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error(errno, "pipe");
  report_ = io::Fd(ends[0]);
  child_report_ = io::Fd(ends[1]);
  command.in_child = [this] { run(); };
  return {};
}

Status ChildSteps::outcome() {
  Failure failure{};
  child_report_.reset();
  if (::read(report_.get(), &failure, sizeof failure) != sizeof failure) return {};
  return errno_error(failure.error_number, steps_[failure.step].what);
}

void ChildSteps::run() const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (run_step(steps_[i]) == 0 || steps_[i].may_fail) continue;
    Failure failure{i, errno};
    [[maybe_unused]] ssize_t written = ::write(child_report_.get(), &failure, sizeof failure);
    ::_exit(126);
  }
}

int ChildSteps::run_step(const Step& step) {
  switch (step.kind) {
    case Step::Kind::OwnMounts:
      if (::unshare(CLONE_NEWNS) != 0) return -1;
      return ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr);
    case Step::Kind::Hide: return ::umount2(step.target.c_str(), kDetach);
    case Step::Kind::Bind: return run_bind(step);
    case Step::Kind::Mount:
      return ::mount(step.source.c_str(), step.target.c_str(), step.source.c_str(), step.flags, step.text.c_str());
    case Step::Kind::EnterNetwork: return ::setns(step.descriptor, CLONE_NEWNET);
    case Step::Kind::Write: return run_write(step);
    case Step::Kind::WriteAs: return run_write_as(step);
  }
  return 0;
}

int ChildSteps::run_bind(const Step& step) {
  int tree = static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, step.source.c_str(),
                                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (tree < 0) return -1;
  mount_attr attributes{};
  attributes.attr_set = step.flags;
  if (step.descriptor >= 0) {
    attributes.attr_set |= MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<__u64>(step.descriptor);
  }
  long outcome = 0;
  if (attributes.attr_set != 0) {
    outcome = syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
  }
  if (outcome == 0) {
    outcome = syscall(SYS_move_mount, tree, "", AT_FDCWD, step.target.c_str(), MOVE_MOUNT_F_EMPTY_PATH);
  }
  int error_number = errno;
  ::close(tree);
  errno = error_number;
  return static_cast<int>(outcome);
}

int ChildSteps::run_write(const Step& step) {
  int fd = ::open(step.target.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = ::write(fd, step.text.data(), step.text.size());
  int error_number = errno;
  ::close(fd);
  errno = error_number;
  return written < 0 ? -1 : 0;
}

// Only a child born after setns() is in the other namespace.
int ChildSteps::run_write_as(const Step& step) {
  if (::setns(step.descriptor, CLONE_NEWPID) != 0) return -1;
  int child = ::_Fork();
  if (child == 0) ::_exit(run_write(step) == 0 ? 0 : errno);
  int error_number = errno, status = 0;
  if (::setns(step.own_descriptor, CLONE_NEWPID) != 0) error_number = errno, child = -1;
  while (child > 0 && ::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  bool is_done = child > 0 && status == 0;
  errno = child > 0 ? (WIFEXITED(status) ? WEXITSTATUS(status) : EINTR) : error_number;
  return is_done ? 0 : -1;
}

}  // namespace mcloud::runtime
