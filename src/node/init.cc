#include "node/init.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/log.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/process.h"
#include "node/identity.h"
#include "runtime/cgroup.h"

namespace mcloud::node {
namespace {

// For what a program has to finish: a gateway's last connections have 10 s.
constexpr uint64_t kUnwantedGraceMs = 15'000;

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

sigset_t our_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&signals, number);
  return signals;
}

std::string end_text(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

uint64_t RestartPause::after_end(uint64_t ran_ms) {
  if (ran_ms >= kForgivenAfterMs) pause_ms_ = 0;
  pause_ms_ = pause_ms_ == 0 ? kFirstMs : std::min(pause_ms_ * 2, kMaxMs);
  return pause_ms_;
}

// Plain fork and exec instead of io::Child: pid 1 reaps everybody in one place.
struct Supervisor::Program {
  SupervisedProgram spec;
  int pid = 0;
  uint64_t started_ms = 0;
  uint64_t start_at_ms = 0;
  uint64_t kill_at_ms = 0;  // it was told to end; 0 = it was not
  RestartPause pause;

  bool is_wanted() const { return spec.while_file.empty() || io::exists(spec.while_file); }
};

Supervisor::Supervisor(std::vector<SupervisedProgram> programs) {
  for (SupervisedProgram& program : programs) programs_.push_back({.spec = std::move(program)});
}

Supervisor::~Supervisor() {
  for (Program& program : programs_) {
    if (program.pid == 0) continue;
    ::kill(program.pid, SIGKILL);
    ::waitpid(program.pid, nullptr, 0);
  }
}

void Supervisor::start(Program& program) {
  std::vector<char*> arguments;
  for (std::string& argument : program.spec.command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  program.started_ms = now_ms();
  int self = ::getpid();
  int pid = ::fork();
  if (pid == 0) {
    // A supervisor that is killed (and is not pid 1) leaves nobody behind that a second one would start again.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != self) ::_exit(127);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setpgid(0, 0);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  if (pid < 0) {
    log::error("node", "program does not start",
               {{"program", program.spec.name}, {"reason", errno_error(errno, "fork").message}});
    program.start_at_ms = now_ms() + program.pause.after_end(0);
    return;
  }
  program.pid = pid;
  log::info("node", "program starts", {{"program", program.spec.name}, {"pid", std::to_string(pid)}});
}

void Supervisor::reap() {
  int status = 0;
  for (int pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    auto program = std::find_if(programs_.begin(), programs_.end(), [&](const Program& one) { return one.pid == pid; });
    if (program == programs_.end()) continue;  // an orphan that came to us
    program->pid = 0;
    if (std::exchange(program->kill_at_ms, 0) != 0) {
      program->start_at_ms = 0;
      log::info("node", "program has ended as it should", {{"program", program->spec.name}, {"how", end_text(status)}});
      continue;
    }
    uint64_t pause = program->pause.after_end(now_ms() - program->started_ms);
    program->start_at_ms = now_ms() + pause;
    log::warning("node", "program ended",
                 {{"program", program->spec.name}, {"how", end_text(status)}, {"again_in_ms", std::to_string(pause)}});
  }
}

void Supervisor::end_all(uint64_t grace_ms) {
  // The heartbeat first stops, as a node that ends says goodbye by its silence; order does not matter otherwise.
  for (Program& program : programs_) {
    if (program.pid != 0) ::kill(program.pid, SIGTERM);
  }
  uint64_t deadline = now_ms() + grace_ms;
  while (true) {
    reap();
    bool is_over = std::all_of(programs_.begin(), programs_.end(), [](const Program& one) { return one.pid == 0; });
    if (is_over || now_ms() >= deadline) break;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    timespec wait{.tv_sec = 0, .tv_nsec = 100'000'000};
    ::sigtimedwait(&child, nullptr, &wait);
  }
  for (Program& program : programs_) {
    if (program.pid == 0) continue;
    // Its group, and itself in case it has not become the group's first yet.
    ::kill(-program.pid, SIGKILL);
    ::kill(program.pid, SIGKILL);
    ::waitpid(program.pid, nullptr, 0);
    program.pid = 0;
  }
}

// The folders of all files that decide whether something runs; a descriptor that is readable when something changed.
Result<int> Supervisor::watch_files() {
  int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return errno_error(errno, "inotify");
  for (const Program& program : programs_) {
    if (program.spec.while_file.empty()) continue;
    std::string folder = program.spec.while_file.substr(0, program.spec.while_file.rfind('/'));
    if (::inotify_add_watch(fd, folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) >= 0) continue;
    int reason = errno;
    ::close(fd);
    return errno_error(reason, "watch " + folder);
  }
  return fd;
}

uint64_t Supervisor::look() {
  uint64_t next = UINT64_MAX;
  for (Program& program : programs_) {
    bool is_wanted = program.is_wanted();
    uint64_t now = now_ms();
    if (program.pid == 0 && is_wanted && program.start_at_ms <= now) start(program);
    if (program.pid == 0 && is_wanted) next = std::min(next, program.start_at_ms);
    if (program.pid == 0) continue;
    if (!is_wanted && program.kill_at_ms == 0) {
      ::kill(program.pid, SIGTERM);
      program.kill_at_ms = now + kUnwantedGraceMs;
    }
    if (program.kill_at_ms == 0) continue;
    if (program.kill_at_ms <= now) ::kill(-program.pid, SIGKILL);
    next = std::min(next, std::max(program.kill_at_ms, now + 1'000));
  }
  uint64_t now = now_ms();
  return next == UINT64_MAX ? UINT64_MAX : next > now ? next - now : 0;
}

Status Supervisor::run(uint64_t grace_ms) {
  sigset_t signals = our_signals();
  sigset_t before;
  if (::sigprocmask(SIG_BLOCK, &signals, &before) != 0) return errno_error(errno, "sigprocmask");
  if (::getpid() != 1 && ::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return errno_error(errno, "subreaper");
  io::Fd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signal_fd.is_open()) return errno_error(errno, "signalfd");
  io::Fd files(TRY(watch_files()));
  bool is_ending = false;
  while (!is_ending) {
    uint64_t wait_ms = look();
    pollfd waiting[] = {{signal_fd.get(), POLLIN, 0}, {files.get(), POLLIN, 0}};
    ::poll(waiting, 2, wait_ms == UINT64_MAX ? -1 : static_cast<int>(std::min<uint64_t>(wait_ms, 60'000)));
    signalfd_siginfo info{};
    while (::read(signal_fd.get(), &info, sizeof info) == sizeof info) {
      is_ending = is_ending || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
    }
    char events[4096];
    while (::read(files.get(), events, sizeof events) > 0) continue;  // what is there is looked at, not what happened
    reap();
  }
  end_all(grace_ms);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return {};
}

Status run_init(const Config& config, const std::string& config_path, const std::vector<std::string>& self) {
  TRY(io::make_folders(config.data_folder, 0700));
  TRY(io::make_folders(config.runtime_folder, 0711));
  // Before anybody reads it: agent and heartbeat, both new, would each make one.
  TRY(load_or_create_key(config.key_file()));
  // In cgroup v2 a group with processes of its own cannot divide what it has: we stand in one beside containers/.
  runtime::Cgroups cgroups = TRY(runtime::Cgroups::detect());
  TRY(cgroups.create(config.cgroup + "/host"));
  TRY(cgroups.move(config.cgroup + "/host", ::getpid()));
  std::vector<SupervisedProgram> programs;
  for (const ServiceConfig& service : config.services) programs.push_back({service.name, service.command});
  TRY(io::make_folders(config.gateway_folder(), 0711));
  TRY(io::make_folders(config.tunnel_folder(), 0700));
  std::pair<const char*, std::string> ours[] = {{"heartbeat", ""}, {"agent", ""}, {"gateway", config.gateway_folder() + "/wanted"},
                                                {"tunnel", config.tunnel_folder() + "/wanted"}};
  for (const auto& [name, file] : ours) {
    SupervisedProgram program{.name = name, .command = self, .while_file = file};
    program.command.push_back(name);
    program.command.push_back(config_path);
    programs.push_back(std::move(program));
  }
  Supervisor supervisor(std::move(programs));
  return supervisor.run();
}

}  // namespace mcloud::node
