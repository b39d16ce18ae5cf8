#include "io/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "io/clock.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace mcloud::io {
namespace {

std::string_view variable_name(std::string_view assignment) { return assignment.substr(0, assignment.find('=')); }

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> out = command.environment;
  for (char** ours = environ; ours != nullptr && *ours != nullptr; ++ours) {
    bool replaced = std::any_of(command.environment.begin(), command.environment.end(),
                                [&](const std::string& given) { return variable_name(given) == variable_name(*ours); });
    if (!replaced) out.emplace_back(*ours);
  }
  return out;
}

// Where exec looks, in order; the child tries them, because `in_child` may give it another root.
std::vector<std::string> places_of(const std::string& program, const std::vector<std::string>& environment) {
  if (program.find('/') != std::string::npos) return {program};
  std::string_view path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& assignment : environment) {
    if (variable_name(assignment) == "PATH") path = std::string_view(assignment).substr(5);
  }
  std::vector<std::string> out;
  while (true) {
    size_t colon = path.find(':');
    std::string folder(path.substr(0, colon));
    out.push_back((folder.empty() ? "." : folder) + "/" + program);
    if (colon == std::string_view::npos) return out;
    path.remove_prefix(colon + 1);
  }
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// What the child tells its parent when it gets no further.
struct Failure {
  int step;
  int error_number;
};
constexpr std::string_view kSteps[] = {"prepare its descriptors", "enter its working folder", "execute"};

class Plan {
 public:
  Plan(const Command& command, const SpawnOptions& options, int null_fd, int report_fd)
      : command_(command),
        options_(options),
        report_(report_fd),
        arguments_(command.arguments),
        environment_(environment_of(command)),
        places_(places_of(command.arguments[0], environment_)),
        argument_pointers_(pointers(arguments_)),
        environment_pointers_(pointers(environment_)) {
    auto or_null = [&](int fd) { return fd < 0 ? null_fd : fd; };
    moves_ = {{or_null(options.input), 0}, {or_null(options.output), 1}, {or_null(options.errors), 2}};
    moves_.insert(moves_.end(), command.descriptors.begin(), command.descriptors.end());
    for (auto& [from, to] : moves_) highest_ = std::max(highest_, to);
  }

  [[noreturn]] void run_in_child(const sigset_t& no_signals) {
    reset_signals(no_signals);
    if (options_.new_session) setsid();
    if (options_.new_process_group) setpgid(0, 0);
    follow_parent();
    prepare_descriptors();
    if (command_.in_child) command_.in_child();
    follow_parent();  // a change of user clears it
    for (size_t i = 3; i < moves_.size(); ++i) place(moves_[i]);
    if (!command_.working_folder.empty() && chdir(command_.working_folder.c_str()) != 0) fail(1, errno);
    execute();
  }

 private:
  void reset_signals(const sigset_t& no_signals) {
    struct sigaction default_action{};
    default_action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) sigaction(number, &default_action, nullptr);
    sigprocmask(SIG_SETMASK, &no_signals, nullptr);
  }

  // The parent may have died before prctl: then nobody holds the other end of the report pipe. (Its pid
  // would not tell: in a new pid namespace it is always 0.)
  void follow_parent() {
    if (!options_.die_with_parent) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pollfd parent{report_, 0, 0};
    if (poll(&parent, 1, 0) > 0 && (parent.revents & POLLERR) != 0) _exit(127);
  }

  // Everything we have closes at exec; what the child gets is first moved out of the way of the numbers
  // it gets them under.
  void prepare_descriptors() {
    int above = std::max(highest_, 2) + 1;
    report_ = fcntl(report_, F_DUPFD_CLOEXEC, above);
    if (report_ < 0) _exit(127);
    for (auto& [from, to] : moves_) {
      from = fcntl(from, F_DUPFD_CLOEXEC, above);
      if (from < 0) fail(0, errno);
    }
    if (syscall(SYS_close_range, 3u, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0) fail(0, errno);
    for (size_t i = 0; i < 3; ++i) place(moves_[i]);
  }

  void place(const std::pair<int, int>& move) {
    if (dup2(move.first, move.second) < 0) fail(0, errno);
  }

  [[noreturn]] void execute() {
    int error_number = ENOENT;
    for (const std::string& place : places_) {
      execve(place.c_str(), argument_pointers_.data(), environment_pointers_.data());
      if (errno != ENOENT && errno != ENOTDIR) error_number = errno;
      if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) break;
    }
    fail(2, error_number);
  }

  [[noreturn]] void fail(int step, int error_number) {
    Failure failure{step, error_number};
    [[maybe_unused]] ssize_t written = write(report_, &failure, sizeof failure);
    _exit(127);
  }

  const Command& command_;
  const SpawnOptions& options_;
  int report_;
  int highest_ = 2;
  std::vector<std::string> arguments_;
  std::vector<std::string> environment_;
  std::vector<std::string> places_;
  std::vector<char*> argument_pointers_;
  std::vector<char*> environment_pointers_;
  std::vector<std::pair<int, int>> moves_;
};

// No signal handler of ours may run in the child: all are blocked around fork.
int fork_quietly(Plan& plan) {
  sigset_t all;
  sigset_t before;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pid = fork();
  if (pid == 0) plan.run_in_child(none);
  int error_number = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error_number;
  return pid;
}

int poll_until(int fd, uint64_t deadline_ms) {
  while (true) {
    uint64_t now = SystemClock().monotonic_ms();
    uint64_t left = deadline_ms > now ? std::min<uint64_t>(deadline_ms - now, INT_MAX) : 0;
    pollfd waiting{fd, POLLIN, 0};
    int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready >= 0) return ready;
    if (errno != EINTR) return -1;
  }
}

// Empty until the pipe closes: the program runs, or in_child ended the child.
Status exec_outcome(const Fd& report, const std::string& program, uint64_t timeout_ms) {
  if (poll_until(report.get(), deadline_in(timeout_ms)) <= 0) {
    return make_error(Code::TimedOut,
                      "start " + program + ": did not start within " + std::to_string(timeout_ms) + " ms");
  }
  Failure failure{};
  ssize_t got;
  do {
    got = read(report.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof failure) return {};
  return errno_error(failure.error_number, "start " + program + ": cannot " + std::string(kSteps[failure.step]));
}

}  // namespace

uint64_t deadline_in(uint64_t timeout_ms) {
  uint64_t now = SystemClock().monotonic_ms();
  return timeout_ms > UINT64_MAX - now ? UINT64_MAX : now + timeout_ms;
}

Result<Spawned> spawn(const Command& command, const SpawnOptions& options) {
  if (command.arguments.empty() || command.arguments[0].empty()) {
    return make_error(Code::Invalid, "start a program: no program is named");
  }
  const std::string& program = command.arguments[0];
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "start " + program + ": pipe");
  Fd report(ends[0]);
  Fd child_report(ends[1]);
  Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.is_open()) return errno_error(errno, "start " + program + ": open /dev/null");

  Plan plan(command, options, null.get(), child_report.get());
  Spawned child;
  child.pid = fork_quietly(plan);
  if (child.pid < 0) return errno_error(errno, "start " + program + ": fork");
  child_report.reset();
  // Not reaped by anyone but us, so the number cannot have gone to another process yet.
  child.pidfd = Fd(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
  Status started = child.pidfd.is_open() ? exec_outcome(report, program, options.exec_timeout_ms)
                                         : Status(errno_error(errno, "start " + program + ": pidfd_open"));
  if (started.has_value()) return child;
  kill(child.pid, SIGKILL);
  if (child.pidfd.is_open()) {
    static_cast<void>(reap_until(child.pidfd, deadline_in(options.exec_timeout_ms)));
  }
  return std::move(started).error();
}

Result<std::optional<int>> reap_until(const Fd& pidfd, uint64_t deadline_ms) {
  int ready = poll_until(pidfd.get(), deadline_ms);
  if (ready < 0) return errno_error(errno, "wait for a process");
  if (ready == 0) return std::optional<int>();
  siginfo_t ended{};
  while (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &ended, WEXITED) != 0) {
    if (errno != EINTR) return errno_error(errno, "wait for a process");
  }
  return std::optional<int>(ended.si_code == CLD_EXITED ? ended.si_status : 128 + ended.si_status);
}

}  // namespace mcloud::io
