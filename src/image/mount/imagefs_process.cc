#include "image/mount/imagefs_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "image/mount/control_protocol.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

constexpr off_t kLogBytesMax = 4 << 20;

io::Fd take_number(int number) {
  ::fcntl(number, F_SETFD, FD_CLOEXEC);
  return io::Fd(number);
}

}  // namespace

Result<SharedDescriptors> inherited_descriptors() {
  for (int number : {kFuseNumber, kMemoryNumber, kControlNumber, kAliveNumber}) {
    if (::fcntl(number, F_GETFD) < 0) return make_error(Code::Invalid, "this role is started by mcloud-imagefs only");
  }
  SharedDescriptors out;
  out.fuse = take_number(kFuseNumber);
  out.control = take_number(kControlNumber);
  out.alive = take_number(kAliveNumber);
  out.memory = TRY(SharedMemory::join(take_number(kMemoryNumber)));
  return out;
}

Result<std::unique_ptr<io::Child>> start_role(const std::string& role, int other, const SharedDescriptors& shared,
                                              const std::string& folder) {
  io::Fd log(::open((folder + "/imagefs.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  io::Command command;
  command.arguments = {"/proc/self/exe", role, std::to_string(other)};
  command.descriptors = {{shared.fuse.get(), kFuseNumber},
                         {shared.memory->fd(), kMemoryNumber},
                         {shared.control.get(), kControlNumber},
                         {shared.alive.get(), kAliveNumber}};
  io::Child::Streams streams;
  streams.output = streams.errors = log.get();
  streams.die_with_parent = false;
  streams.new_session = true;
  return io::Child::start(command, streams);
}

Peer::Peer(std::unique_ptr<io::Child> child) : child_(std::move(child)), process_(child_->pid()) {}

Peer Peer::parent(int process) {
  Peer out;
  out.process_ = process;
  io::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (pidfd.is_open() && ::getppid() == process) out.pidfd_ = std::move(pidfd);
  return out;
}

bool Peer::has_ended(uint64_t timeout_ms) {
  if (child_ != nullptr) {
    Result<std::optional<int>> ended = child_->wait(timeout_ms);
    return !ended.has_value() || ended->has_value();
  }
  if (!pidfd_.is_open()) return true;
  struct pollfd ready {pidfd_.get(), POLLIN, 0};
  return ::poll(&ready, 1, static_cast<int>(timeout_ms)) > 0;
}

void Peer::kill() {
  if (child_ != nullptr) return child_->signal(SIGKILL);
  if (pidfd_.is_open()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

uint64_t Backoff::next_ms(uint64_t lived_ms) {
  failures_ = lived_ms >= 2'000 ? 0 : std::min(failures_ + 1, 8u);
  // The first deaths cost nobody a wait.
  return failures_ <= 2 ? 0 : std::min<uint64_t>(5'000, 100ull << (failures_ - 3));
}

void bound_log(const std::string& folder) {
  std::string path = folder + "/imagefs.log";
  struct stat ours {}, there {};
  if (::fstat(STDERR_FILENO, &ours) != 0 || !S_ISREG(ours.st_mode)) return;
  // The other process may have begun a fresh one.
  bool is_ours = ::stat(path.c_str(), &there) == 0 && there.st_ino == ours.st_ino;
  if (is_ours && ours.st_size < kLogBytesMax) return;
  if (is_ours) ::rename(path.c_str(), (path + ".1").c_str());
  io::Fd fresh(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fresh.is_open()) return;
  ::dup2(fresh.get(), STDOUT_FILENO);
  ::dup2(fresh.get(), STDERR_FILENO);
}

}  // namespace mcloud::image
