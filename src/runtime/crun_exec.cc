// Programs run inside a container, and the news of containers that ended.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <set>

#include "io/clock.h"
#include "io/process.h"
#include "runtime/crun_runtime.h"
#include "runtime/exec_output.h"

namespace mcloud::runtime {
namespace {

constexpr uint64_t kKillTimeoutMs = 5'000;

// Different for every call on this machine: several processes may use one runtime folder.
std::string exec_name() { return "exec-" + to_hex(io::SystemRandom().bytes(8)); }

// Removes a file with secrets at the end of a call.
class ScopedFile {
 public:
  explicit ScopedFile(std::string path) : path_(std::move(path)) {}
  ~ScopedFile() { ::unlink(path_.c_str()); }
  ScopedFile(const ScopedFile&) = delete;
  ScopedFile& operator=(const ScopedFile&) = delete;

 private:
  std::string path_;
};

// Ends what runs in the group but not crun itself, which is the parent and reaps: without it the dead would
// stay as zombies with the container's first process, which often does not reap.
void kill_children(const Cgroups& cgroups, const std::string& group, io::Child& crun) {
  io::SystemClock clock;
  for (uint64_t end_ms = clock.monotonic_ms() + kKillTimeoutMs; clock.monotonic_ms() < end_ms;) {
    Result<std::vector<int>> all = cgroups.processes(group);
    if (!all.has_value()) return;
    for (int pid : *all) {
      if (pid != crun.pid()) ::kill(pid, SIGKILL);
    }
    Result<std::optional<int>> ended = crun.wait(5);
    if (!ended.has_value() || ended->has_value()) return;
  }
}

}  // namespace

Result<ExecOutcome> CrunRuntime::exec(const std::string& id, const std::vector<std::string>& arguments,
                                      uint64_t timeout_ms) {
  if (arguments.empty() || arguments[0].empty()) {
    return make_error(Code::Invalid, "container " + id + ": no program is named");
  }
  TRY(process_of(id));
  ContainerFolder folder = folder_of(id);
  std::string name = exec_name();
  Bytes process = TRY(io::read_file(folder.file("process.json")));
  ScopedFile file(folder.file(name + ".json"));
  std::string its_process = TRY(with_arguments(process, arguments));
  TRY(folder.write(name + ".json", its_process));
  // A group of its own below the container's: its limits hold, and what is left at the end is found.
  std::string group = group_of(id) + "/" + name;
  TRY(cgroups_.create_inside(group_of(id), name));
  Result<ExecOutcome> outcome = run_inside(id, folder.file(name + ".json"), group, timeout_ms);
  TRY(cgroups_.remove(group, kKillTimeoutMs));
  return std::move(outcome).with_context("container " + id + ": " + arguments[0].substr(0, 100));
}

Result<ExecOutcome> CrunRuntime::run_inside(const std::string& id, const std::string& process_file,
                                            const std::string& group, uint64_t timeout_ms) const {
  uint64_t deadline_ms = io::SystemClock().monotonic_ms() + timeout_ms;
  ChildSteps steps;
  for (const std::string& entrance : cgroups_.entrances(group)) steps.write(entrance, "0");
  begin_crun(steps);
  io::Command command;
  command.arguments = {options_.crun,  "--root=" + options_.folder + "/crun", "--cgroup-manager=disabled", "exec",
                       "--process=" + process_file, id};
  TRY(steps.attach(command));
  ExecOutput output = TRY(ExecOutput::create());
  io::Child::Streams streams;
  streams.output = output.output_end();
  streams.errors = output.errors_end();
  streams.new_session = true;
  Result<std::unique_ptr<io::Child>> crun = io::Child::start(command, streams);
  TRY(steps.outcome());
  if (!crun.has_value()) return std::move(crun).error();
  output.close_child_ends();
  bool has_ended = TRY(output.collect((*crun)->pidfd(), deadline_ms));
  if (!has_ended) {
    kill_children(cgroups_, group, **crun);
    return make_error(Code::TimedOut, "did not end within " + std::to_string(timeout_ms) + " ms");
  }
  std::optional<int> exit_code = TRY((*crun)->wait(kKillTimeoutMs));
  if (!exit_code.has_value()) return make_error(Code::Internal, "crun exec does not end");
  return ExecOutcome{*exit_code, output.take_output(), output.take_errors()};
}

Result<std::vector<std::string>> CrunRuntime::wait_for_exits(uint64_t timeout_ms) {
  pollfd waiting{exits_.get(), POLLIN, 0};
  int ready = ::poll(&waiting, 1, static_cast<int>(std::min<uint64_t>(timeout_ms, INT_MAX)));
  if (ready < 0 && errno != EINTR) return errno_error(errno, "wait for containers");
  std::set<std::string> ids;
  alignas(inotify_event) char buffer[16 << 10];
  ssize_t got = ready > 0 ? ::read(exits_.get(), buffer, sizeof buffer) : 0;
  for (ssize_t at = 0; at < got;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    std::string name = event->len > 0 ? event->name : "";
    // conmon writes a sibling and renames it: that has another name.
    if (check_container_id(name).has_value() && folder_of(name).is_there()) ids.insert(name);
  }
  return std::vector<std::string>(ids.begin(), ids.end());
}

}  // namespace mcloud::runtime
