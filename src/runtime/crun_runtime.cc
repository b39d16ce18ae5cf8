#include "runtime/crun_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "io/clock.h"
#include "io/process.h"
#include "runtime/monitor.h"
#include "runtime/root_folder.h"
#include "runtime/user_range.h"

namespace mcloud::runtime {
namespace {

constexpr uint64_t kCommandTimeoutMs = 10'000;  // crun start, crun delete
constexpr uint64_t kKillTimeoutMs = 5'000;      // a process in an uninterruptible wait is given up then
constexpr const char* kMemoryFiles = "/proc/sys/vm/memfd_noexec";
constexpr uint64_t kExitFileTimeoutMs = 2'000;  // from a container's end to conmon's note of it

Error not_there(const std::string& id) { return make_error(Code::NotFound, "container " + id + ": is not there"); }

// What we may give: raising a hard limit needs CAP_SYS_RESOURCE, which a container of a machine may lack.
uint64_t open_files_max(uint64_t wanted) {
  rlimit ours{};
  if (getrlimit(RLIMIT_NOFILE, &ours) != 0 || ours.rlim_max == RLIM_INFINITY) return wanted;
  return std::min<uint64_t>(wanted, ours.rlim_max);
}

Result<io::Fd> open_namespace(const std::string& path) {
  io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "namespace " + path);
  return fd;
}

void pause_shortly() { ::poll(nullptr, 0, 1); }

}  // namespace

Status CrunRuntime::start(const ContainerSpec& spec) {
  TRY(check_spec(spec));
  ContainerFolder folder = folder_of(spec.id);
  TRY(folder.create().with_context("container " + spec.id));
  Status made = make(spec, folder);
  if (made.has_value()) return {};
  Status removed = remove(spec.id);
  if (!removed.has_value()) {
    log::warning("runtime", "cannot remove a container that did not start",
                 {{"container", spec.id}, {"error", removed.error().message}});
  }
  return std::move(made).error().with_context("start container " + spec.id);
}

Status CrunRuntime::make(const ContainerSpec& spec, const ContainerFolder& folder) {
  // conmon and crun are born in the container's group, so that all its memory is counted there and its
  // cgroup namespace begins there; conmon then moves out. The bound on processes comes after that.
  CgroupLimits limits{spec.limits.cpu_milli, spec.limits.memory_bytes, 0};
  TRY(cgroups_.create(group_of(spec.id)));
  TRY(cgroups_.create(monitors_group()));
  TRY(cgroups_.set_limits(group_of(spec.id), limits));

  ChildSteps steps;
  for (const std::string& entrance : cgroups_.entrances(group_of(spec.id))) steps.write(entrance, "0");
  begin_crun(steps);
  io::Fd user_range = TRY(make_user_range(spec.base_uid));
  io::Fd network, own_network;
  if (!spec.network_namespace.empty()) {
    network = TRY(open_namespace(spec.network_namespace));
    own_network = TRY(open_namespace("/proc/thread-self/ns/net"));
    TRY(prepare_network(folder, network, own_network, steps));
  }
  TRY(prepare_disk(spec));
  // Where only the image's programs are run, it alone says who there is, too.
  std::string upper = spec.only_image_programs ? spec.image_root : spec.disk_folder + "/upper";
  Bytes passwd = TRY(read_container_file(upper, spec.image_root, "etc/passwd"));
  Bytes group = TRY(read_container_file(upper, spec.image_root, "etc/group"));
  ContainerUser user = TRY(find_user(spec.user, passwd, group));
  OciInput input;
  input.spec = &spec;
  input.mounts = TRY(prepare_mounts(spec, user, folder, user_range, steps));
  input.user = std::move(user);
  input.root_folder = folder.file("rootfs");
  input.sysfs_folder = spec.network_namespace.empty() ? "" : folder.file("sys");
  input.seccomp = seccomp_.profile;
  input.seccomp_filter = seccomp_.filter;
  input.files_max = open_files_max(spec.limits.files_max);
  TRY(folder.write("config.json", oci_config(input)));
  TRY(folder.write("process.json", oci_process(input)));
  int stop_signal = TRY(signal_number(spec.stop_signal));
  TRY(folder.write("signal", std::to_string(stop_signal)));

  MonitorOptions monitor{options_.conmon,          options_.crun, options_.folder + "/crun", options_.folder + "/exits",
                         options_.folder + "/s",   spec.id,       spec.log_path,             spec.log_bytes_max,
                         options_.start_timeout_ms};
  int pid = TRY(start_monitor(monitor, folder, steps));
  ProcessIdentity process = TRY(identify(pid));
  int watcher_pid = TRY(folder.pid_in("conmon.pid"));
  ProcessIdentity watcher = TRY(identify(watcher_pid));
  TRY(folder.write("process", format_identity(process)));
  TRY(folder.write("monitor", format_identity(watcher)));
  TRY(cgroups_.move(monitors_group(), watcher.pid));
  limits.pids = spec.limits.pids;
  TRY(cgroups_.set_limits(group_of(spec.id), limits));
  return let_go(spec, folder);
}

Status CrunRuntime::let_go(const ContainerSpec& spec, const ContainerFolder& folder) {
  TRY(folder.write("started", std::to_string(io::SystemClock().wall_ms())));
  ChildSteps steps;
  io::Fd processes, own_processes;
  // Anonymous memory files are not executable in its pid namespace, which is there by now (Linux 6.3).
  if (spec.only_image_programs && io::exists(kMemoryFiles)) {
    std::optional<ProcessIdentity> process = folder.identity("process");
    if (!process.has_value()) return make_error(Code::Internal, "the container's process is not noted");
    processes = TRY(open_namespace("/proc/" + std::to_string(process->pid) + "/ns/pid"));
    own_processes = TRY(open_namespace("/proc/thread-self/ns/pid_for_children"));
    steps.write_as(processes, own_processes, kMemoryFiles, "2");
  }
  io::Outcome outcome = TRY(run_crun({"start", spec.id}, kCommandTimeoutMs, steps));
  if (outcome.exit_code == 0) return {};
  return make_error(Code::Internal, "crun start: " + outcome.errors.substr(0, 1000));
}

// crun takes its fifo away when it lets the process go: true even when we were killed at that moment.
bool CrunRuntime::was_let_go(const std::string& id) const {
  return !io::exists(options_.folder + "/crun/" + id + "/exec.fifo");
}

void CrunRuntime::begin_crun(ChildSteps& steps) const {
  steps.own_mounts();
  if (!cgroups_.is_v2()) steps.hide_folder("/sys/fs/cgroup/unified");
}

Result<io::Outcome> CrunRuntime::run_crun(std::vector<std::string> arguments, uint64_t timeout_ms) const {
  ChildSteps steps;
  return run_crun(std::move(arguments), timeout_ms, steps);
}

Result<io::Outcome> CrunRuntime::run_crun(std::vector<std::string> arguments, uint64_t timeout_ms,
                                          ChildSteps& steps) const {
  begin_crun(steps);
  io::Command command;
  command.arguments = {options_.crun, "--root=" + options_.folder + "/crun", "--cgroup-manager=disabled"};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  TRY(steps.attach(command));
  Result<io::Outcome> outcome = io::run(command, {timeout_ms, 64 << 10});
  TRY(steps.outcome());
  return outcome;
}

ContainerStatus CrunRuntime::running_status(const std::string& id, const ContainerFolder& folder) const {
  ContainerStatus status;
  std::optional<ProcessIdentity> process = folder.identity("process");
  std::optional<uint64_t> started_ms = folder.number("started");
  if (!process.has_value() || !started_ms.has_value()) return status;
  bool is_running = is_alive(*process);
  if (is_running) status.pid = process->pid;
  if (is_running && !was_let_go(id)) return status;
  status.started_ms = *started_ms;
  status.state = is_running ? ContainerState::Running : ContainerState::Stopped;
  return status;
}

Result<ContainerStatus> CrunRuntime::status(const std::string& id) {
  TRY(check_container_id(id));
  ContainerFolder folder = folder_of(id);
  if (!folder.is_there()) return not_there(id);
  ContainerStatus status = running_status(id, folder);
  if (status.state == ContainerState::Stopped) {
    // conmon notes the end a moment after it, unless conmon itself is gone.
    uint64_t deadline_ms = io::SystemClock().monotonic_ms() + kExitFileTimeoutMs;
    std::optional<ProcessIdentity> watcher = folder.identity("monitor");
    std::optional<ContainerFolder::Exit> exit = folder.exit();
    while (!exit.has_value() && watcher.has_value() && is_alive(*watcher) &&
           io::SystemClock().monotonic_ms() < deadline_ms) {
      pause_shortly();
      exit = folder.exit();
    }
    if (!exit.has_value()) exit = folder.exit();
    if (exit.has_value()) {
      status.exit_code = exit->code;
      status.finished_ms = exit->wall_ms;
    }
  }
  Result<CgroupUsage> usage = cgroups_.usage(group_of(id));
  status.out_of_memory = usage.has_value() && usage->out_of_memory_kills > 0;
  return status;
}

Result<ContainerUsage> CrunRuntime::usage(const std::string& id) {
  TRY(check_container_id(id));
  if (!folder_of(id).is_there()) return not_there(id);
  CgroupUsage usage = TRY(cgroups_.usage(group_of(id)));
  return ContainerUsage{usage.cpu_ns, usage.memory_bytes, usage.pids};
}

Status CrunRuntime::stop(const std::string& id, uint64_t grace_ms) {
  TRY(check_container_id(id));
  ContainerFolder folder = folder_of(id);
  if (!folder.is_there()) return not_there(id);
  std::optional<ProcessIdentity> process = folder.identity("process");
  if (!process.has_value() || !is_alive(*process)) return {};
  int number = static_cast<int>(folder.number("signal").value_or(SIGTERM));
  bool has_ended = false;
  if (grace_ms > 0 && was_let_go(id)) {
    Status told = signal_process(*process, number);
    if (!told.has_value() && told.error().code != Code::NotFound) return told;
    has_ended = TRY(wait_for_end(*process, grace_ms));
  }
  if (!has_ended) {
    // The first process of a pid namespace takes all others with it.
    Status killed = signal_process(*process, SIGKILL);
    if (!killed.has_value() && killed.error().code != Code::NotFound) return killed;
    has_ended = TRY(wait_for_end(*process, kKillTimeoutMs));
  }
  if (!has_ended) return make_error(Code::TimedOut, "container " + id + ": cannot be killed");
  return {};
}

Status CrunRuntime::kill_all(const std::string& id, const ContainerFolder& folder) {
  if (std::optional<ProcessIdentity> process = folder.identity("process")) {
    Status killed = signal_process(*process, SIGKILL);
    if (killed.has_value()) TRY(wait_for_end(*process, kKillTimeoutMs));
  }
  TRY(cgroups_.kill(group_of(id), kKillTimeoutMs));
  // conmon ends by itself after its container; one that does not is stopped before its folder goes.
  std::optional<ProcessIdentity> watcher = folder.identity("monitor");
  if (watcher.has_value() && !TRY(wait_for_end(*watcher, kExitFileTimeoutMs))) {
    Status killed = signal_process(*watcher, SIGKILL);
    if (killed.has_value()) TRY(wait_for_end(*watcher, kKillTimeoutMs));
  }
  return {};
}

Status CrunRuntime::remove(const std::string& id) {
  TRY(check_container_id(id));
  ContainerFolder folder = folder_of(id);
  TRY(kill_all(id, folder).with_context("remove container " + id));
  if (io::exists(options_.folder + "/crun/" + id)) {
    io::Outcome outcome = TRY(run_crun({"delete", "--force", id}, kCommandTimeoutMs));
    if (outcome.exit_code != 0) {
      log::warning("runtime", "crun delete failed", {{"container", id}, {"error", outcome.errors.substr(0, 300)}});
      TRY(io::remove_tree(options_.folder + "/crun/" + id));
    }
  }
  TRY(cgroups_.remove(group_of(id)).with_context("remove container " + id));
  TRY(io::remove_tree(options_.folder + "/s/" + id));
  return folder.remove().with_context("remove container " + id);
}

Result<std::vector<std::string>> CrunRuntime::list() { return io::list_folder(options_.folder + "/containers"); }

Result<int> CrunRuntime::process_of(const std::string& id) {
  ContainerStatus now = TRY(status(id));
  if (now.state != ContainerState::Running) {
    return make_error(Code::Unavailable, "container " + id + ": does not run");
  }
  return now.pid;
}

Status CrunRuntime::sweep() {
  std::vector<std::string> known = TRY(list());
  for (const std::string& name : TRY(cgroups_.children(options_.cgroup_parent))) {
    if (name == "_monitors") continue;
    std::string group = options_.cgroup_parent + "/" + name;
    if (!std::binary_search(known.begin(), known.end(), name)) {
      TRY(cgroups_.remove(group));
      continue;
    }
    // Programs whose exec() ended with its process.
    for (const std::string& below : TRY(cgroups_.children(group))) {
      if (below.starts_with("exec-")) TRY(cgroups_.remove(group + "/" + below));
    }
  }
  return {};
}

}  // namespace mcloud::runtime
