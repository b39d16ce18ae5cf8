#include "gateway/haproxy_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "gateway/ask.h"
#include "gateway/runtime.h"
#include "io/clock.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kAnswerMs = 10'000;
constexpr uint64_t kLookMs = 20;
constexpr uint64_t kAgainMs = 3'000;
constexpr uint64_t kStopAgainMs = 500;

bool is_readable(int fd, uint64_t timeout_ms) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(timeout_ms)) > 0;
}

int read_pid(const std::string& path) {
  Result<Bytes> text = io::read_file(path, 64);
  int pid = 0;
  if (text.has_value()) std::from_chars(text->data(), text->data() + text->size(), pid);
  return pid;
}

}  // namespace

HaproxyProcess::HaproxyProcess(std::string program, HaproxyPaths paths) : program_(std::move(program)), paths_(std::move(paths)) { adopt(); }

// A number may have gone to another process: it is ours when its command line names our configuration.
void HaproxyProcess::adopt() {
  int pid = read_pid(pid_path());
  if (pid <= 0) return;
  io::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  Result<Bytes> command = io::read_file("/proc/" + std::to_string(pid) + "/cmdline", 64 << 10);
  if (!pidfd.is_open() || !command.has_value() || command->find(config_path()) == command->npos) return;
  log::info("gateway", "HAProxy runs already, it stays", {{"pid", std::to_string(pid)}});
  adopted_ = std::move(pidfd);
}

bool HaproxyProcess::is_running() {
  if (adopted_.is_open() && is_readable(adopted_.get(), 0)) adopted_.reset();
  if (child_ && !child_->is_running()) child_.reset();
  return adopted_.is_open() || child_ != nullptr;
}

Status HaproxyProcess::check() const {
  io::Outcome outcome = TRY(io::run({.arguments = {program_, "-c", "-f", config_path()}}));
  if (outcome.exit_code == 0) return {};
  return make_error(Code::Invalid, "HAProxy refuses its configuration: " + outcome.errors.substr(0, 2000));
}

Status HaproxyProcess::start() {
  io::Command command{.arguments = {program_, "-W", "-S", master_socket() + ",mode,600", "-p", pid_path(), "-f", config_path()}};
  // For reading too: it writes on when nobody reads.
  io::Fd log(::open(paths_.log_pipe().c_str(), O_RDWR | O_CLOEXEC));
  if (!log.is_open()) return errno_error(errno, "open " + paths_.log_pipe());
  io::Child::Streams streams{.output = log.get(), .errors = STDERR_FILENO, .die_with_parent = false, .new_session = true};
  child_ = TRY(io::Child::start(command, streams));
  return wait_for_structure("", kAnswerMs);
}

Status HaproxyProcess::reload(const std::string& structure) {
  if (Result<std::string> servers = runtime("show servers state"); servers.has_value()) {
    TRY(io::write_file(paths_.folder + "/servers", *servers, io::Durability::None, 0600));
  }
  // A master that has just started loses signals while it becomes the one that waits.
  signal(SIGUSR2);
  if (wait_for_structure(structure, kAgainMs).has_value()) return {};
  signal(SIGUSR2);
  return wait_for_structure(structure, kAnswerMs - kAgainMs);
}

// "" = any.
Status HaproxyProcess::wait_for_structure(const std::string& wanted, uint64_t timeout_ms) {
  io::SystemClock clock;
  for (uint64_t deadline = clock.monotonic_ms() + timeout_ms; clock.monotonic_ms() < deadline;) {
    Result<std::string> running = structure();
    if (running.has_value() && (wanted.empty() || *running == wanted)) return {};
    if (!is_running()) return make_error(Code::Unavailable, "HAProxy ended at its start");
    if (child_) is_readable(child_->pidfd(), kLookMs);
    else is_readable(adopted_.get(), kLookMs);
  }
  return make_error(Code::TimedOut, "HAProxy does not answer with its new configuration");
}

Result<std::string> HaproxyProcess::structure() const {
  std::string description = info_value(TRY(runtime("show info")), "description");
  return description.starts_with("mcloud ") ? description.substr(7) : description;
}

Result<std::string> HaproxyProcess::runtime(const std::string& command) const { return ask(paths_.stats_socket(), command); }

void HaproxyProcess::signal(int number) {
  if (child_) child_->signal(number);
  else if (adopted_.is_open()) ::syscall(SYS_pidfd_send_signal, adopted_.get(), number, nullptr, 0);
}

bool HaproxyProcess::wait(uint64_t timeout_ms) {
  if (!is_running()) return true;
  is_readable(child_ ? child_->pidfd() : adopted_.get(), timeout_ms);
  return !is_running();
}

void HaproxyProcess::stop(uint64_t grace_ms) {
  signal(SIGUSR1);
  if (wait(std::min(grace_ms, kStopAgainMs))) return;
  signal(SIGUSR1);  // as with a reload: the first one may be lost
  if (wait(grace_ms - std::min(grace_ms, kStopAgainMs))) return;
  signal(SIGTERM);
  if (wait(2'000)) return;
  signal(SIGKILL);
  wait(1'000);
}

}  // namespace mcloud::gateway
