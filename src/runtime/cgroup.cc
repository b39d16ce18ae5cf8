#include "runtime/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>

#include "io/clock.h"
#include "io/file.h"
#include "runtime/cgroup_mounts.h"

namespace mcloud::runtime {
namespace {

constexpr uint64_t kCpuPeriodUs = 100'000;
constexpr uint64_t kCpuQuotaUsMin = 1'000;  // the kernel's
constexpr int kPausePerTryMs = 2;

// A control file: whole writes, no temporary sibling.
Status write_control(const std::string& path, const std::string& text) {
  io::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "open " + path);
  if (::write(fd.get(), text.data(), text.size()) < 0) return errno_error(errno, "write \"" + text + "\" to " + path);
  return {};
}

uint64_t number_of(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

uint64_t read_number(const std::string& path) {
  Result<Bytes> text = io::read_file(path, 4096);
  return text.has_value() ? number_of(*text) : 0;
}

// "name value" lines; 0 when it is not there.
uint64_t read_field(const std::string& path, std::string_view name) {
  Result<Bytes> text = io::read_file(path, 64 << 10);
  if (!text.has_value()) return 0;
  std::string_view rest = *text;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ') {
      return number_of(line.substr(name.size() + 1));
    }
  }
  return 0;
}

// Groups directly below; none when it is absent. (control files are no folders)
std::vector<std::string> folders_in(const std::string& path) {
  std::vector<std::string> out;
  DIR* list = opendir(path.c_str());
  if (list == nullptr) return out;
  while (dirent* entry = readdir(list)) {
    std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") out.push_back(std::move(name));
  }
  closedir(list);
  return out;
}

// The group and all below it, deepest first.
void collect_tree(const std::string& path, std::vector<std::string>& out) {
  for (const std::string& name : folders_in(path)) collect_tree(path + "/" + name, out);
  if (io::exists(path)) out.push_back(path);
}

void add_processes(const std::string& path, std::set<int>& out) {
  Result<Bytes> text = io::read_file(path + "/cgroup.procs", 4 << 20);
  if (!text.has_value()) return;
  std::string_view rest = *text;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('\n'), rest.size());
    int pid = static_cast<int>(number_of(rest.substr(0, end)));
    if (pid > 0) out.insert(pid);  // 0: of another pid namespace
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

bool is_plain_group(const std::string& group) {
  return !group.empty() && group.front() != '/' && group.find("..") == std::string::npos &&
         group.find('\n') == std::string::npos && group.size() < 1024;
}

Status check_group(const std::string& group) {
  if (is_plain_group(group)) return {};
  return make_error(Code::Invalid, "control group \"" + group + "\": a relative path without \"..\" is allowed");
}

}  // namespace

Result<Cgroups> Cgroups::detect() {
  Bytes mounts = TRY(io::read_file("/proc/self/mountinfo", 16 << 20));
  std::vector<CgroupMount> found = find_cgroup_mounts(mounts);
  Cgroups out;
  bool has_cpu = false, has_memory = false, has_pids = false;
  for (const CgroupMount& mount : found) {
    if (mount.is_v2) continue;
    Hierarchy hierarchy{mount.folder, mount.has("cpu"), mount.has("cpuacct"), mount.has("memory"), mount.has("pids")};
    if (!hierarchy.cpu && !hierarchy.cpuacct && !hierarchy.memory && !hierarchy.pids) continue;
    out.hierarchies_.push_back(hierarchy);
    has_cpu |= hierarchy.cpu;
    has_memory |= hierarchy.memory;
    has_pids |= hierarchy.pids;
  }
  if (has_cpu && has_memory && has_pids) return out;
  for (const CgroupMount& mount : found) {
    if (!mount.is_v2) continue;
    Bytes controllers = TRY(io::read_file(mount.folder + "/cgroup.controllers", 4096));
    std::string all = " " + controllers.substr(0, controllers.find('\n')) + " ";
    auto offers = [&](const char* name) { return all.find(" " + std::string(name) + " ") != std::string::npos; };
    if (!offers("cpu") || !offers("memory") || !offers("pids")) continue;
    out.is_v2_ = true;
    out.hierarchies_ = {{mount.folder, true, true, true, true}};
    return out;
  }
  return make_error(Code::Unavailable,
                    "control groups: this machine mounts no hierarchies (v1 or v2) with cpu, memory and pids");
}

Status Cgroups::create(const std::string& group) const {
  TRY(check_group(group));
  for (const Hierarchy& hierarchy : hierarchies_) {
    std::string path = hierarchy.folder;
    for (size_t start = 0; start < group.size();) {
      // A controller works in a group when its parent passes it on. The root may refuse one that it passes
      // on already.
      if (is_v2_) {
        for (const char* controller : {"+cpu", "+memory", "+pids"}) {
          Status passed_on = write_control(path + "/cgroup.subtree_control", controller);
          if (!passed_on.has_value()) {
            Bytes active = TRY(io::read_file(path + "/cgroup.subtree_control", 4096));
            if ((" " + active).find(" " + std::string(controller + 1)) == std::string::npos) return passed_on;
          }
        }
      }
      size_t end = std::min(group.find('/', start), group.size());
      path += "/" + group.substr(start, end - start);
      start = end + 1;
      if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return errno_error(errno, "make " + path);
    }
  }
  return {};
}

Status Cgroups::create_inside(const std::string& group, const std::string& name) const {
  TRY(check_group(group + "/" + name));
  for (const Hierarchy& hierarchy : hierarchies_) {
    std::string path = hierarchy.folder + "/" + group + "/" + name;
    if (::mkdir(path.c_str(), 0755) != 0) return errno_error(errno, "make " + path);
  }
  return {};
}

Status Cgroups::set_limits(const std::string& group, const CgroupLimits& limits) const {
  TRY(check_group(group));
  std::string period = std::to_string(kCpuPeriodUs);
  std::string quota = std::to_string(std::max(limits.cpu_milli * kCpuPeriodUs / 1000, kCpuQuotaUsMin));
  std::string memory = std::to_string(limits.memory_bytes);
  std::string pids = limits.pids == 0 ? "max" : std::to_string(limits.pids);
  for (const Hierarchy& hierarchy : hierarchies_) {
    std::string path = hierarchy.folder + "/" + group + "/";
    if (is_v2_) {
      TRY(write_control(path + "cpu.max", (limits.cpu_milli == 0 ? "max" : quota) + " " + period));
      TRY(write_control(path + "memory.max", limits.memory_bytes == 0 ? "max" : memory));
      if (io::exists(path + "memory.swap.max")) {
        TRY(write_control(path + "memory.swap.max", limits.memory_bytes == 0 ? "max" : "0"));
      }
      TRY(write_control(path + "pids.max", pids));
      continue;
    }
    if (hierarchy.cpu) {
      TRY(write_control(path + "cpu.cfs_period_us", period));
      TRY(write_control(path + "cpu.cfs_quota_us", limits.cpu_milli == 0 ? "-1" : quota));
    }
    if (hierarchy.memory) {
      bool has_swap_account = io::exists(path + "memory.memsw.limit_in_bytes");
      if (has_swap_account) TRY(write_control(path + "memory.memsw.limit_in_bytes", "-1"));
      TRY(write_control(path + "memory.limit_in_bytes", limits.memory_bytes == 0 ? "-1" : memory));
      if (has_swap_account && limits.memory_bytes != 0) {
        TRY(write_control(path + "memory.memsw.limit_in_bytes", memory));
      }
    }
    if (hierarchy.pids) TRY(write_control(path + "pids.max", pids));
  }
  return {};
}

Status Cgroups::move(const std::string& group, int pid) const {
  for (const std::string& entrance : entrances(group)) TRY(write_control(entrance, std::to_string(pid)));
  return {};
}

std::vector<std::string> Cgroups::entrances(const std::string& group) const {
  std::vector<std::string> out;
  for (const Hierarchy& hierarchy : hierarchies_) out.push_back(hierarchy.folder + "/" + group + "/cgroup.procs");
  return out;
}

Result<CgroupUsage> Cgroups::usage(const std::string& group) const {
  CgroupUsage usage;
  bool is_there = false;
  for (const Hierarchy& hierarchy : hierarchies_) {
    std::string path = hierarchy.folder + "/" + group + "/";
    is_there = is_there || io::exists(path);
    if (is_v2_) {
      usage.cpu_ns = read_field(path + "cpu.stat", "usage_usec") * 1000;
      usage.memory_bytes = read_number(path + "memory.current");
      usage.out_of_memory_kills = read_field(path + "memory.events", "oom_kill");
    } else {
      if (hierarchy.cpuacct) usage.cpu_ns = read_number(path + "cpuacct.usage");
      if (hierarchy.memory) usage.memory_bytes = read_number(path + "memory.usage_in_bytes");
      if (hierarchy.memory) usage.out_of_memory_kills = read_field(path + "memory.oom_control", "oom_kill");
    }
    if (hierarchy.pids) usage.pids = read_number(path + "pids.current");
  }
  if (!is_there) return make_error(Code::NotFound, "control group " + group + ": is not there");
  return usage;
}

Result<std::vector<int>> Cgroups::processes(const std::string& group) const {
  TRY(check_group(group));
  std::set<int> all;
  for (const Hierarchy& hierarchy : hierarchies_) {
    std::vector<std::string> tree;
    collect_tree(hierarchy.folder + "/" + group, tree);
    for (const std::string& path : tree) add_processes(path, all);
  }
  return std::vector<int>(all.begin(), all.end());
}

Status Cgroups::kill(const std::string& group, uint64_t timeout_ms) const {
  io::SystemClock clock;
  uint64_t deadline_ms = clock.monotonic_ms() + timeout_ms;
  while (true) {
    std::vector<int> all = TRY(processes(group));
    if (all.empty()) return {};
    if (is_v2_) {
      // One step for the whole tree: nothing forks away.
      Status killed = write_control(hierarchies_[0].folder + "/" + group + "/cgroup.kill", "1");
      if (killed.has_value()) all.clear();
    }
    for (int pid : all) ::kill(pid, SIGKILL);
    if (clock.monotonic_ms() >= deadline_ms) {
      return make_error(Code::TimedOut, "control group " + group + ": its processes cannot be killed");
    }
    ::poll(nullptr, 0, kPausePerTryMs);
  }
}

Status Cgroups::remove(const std::string& group, uint64_t timeout_ms) const {
  TRY(kill(group, timeout_ms));
  io::SystemClock clock;
  uint64_t deadline_ms = clock.monotonic_ms() + timeout_ms;
  for (const Hierarchy& hierarchy : hierarchies_) {
    std::vector<std::string> tree;
    collect_tree(hierarchy.folder + "/" + group, tree);
    for (const std::string& path : tree) {
      // EBUSY for a moment after the last process has gone.
      while (::rmdir(path.c_str()) != 0 && errno != ENOENT) {
        if (errno != EBUSY || clock.monotonic_ms() >= deadline_ms) return errno_error(errno, "remove " + path);
        ::poll(nullptr, 0, kPausePerTryMs);
      }
    }
  }
  return {};
}

Result<std::vector<std::string>> Cgroups::children(const std::string& group) const {
  TRY(check_group(group));
  std::set<std::string> all;
  for (const Hierarchy& hierarchy : hierarchies_) {
    for (std::string& name : folders_in(hierarchy.folder + "/" + group)) all.insert(std::move(name));
  }
  return std::vector<std::string>(all.begin(), all.end());
}

Status sweep_cgroups(const std::string& group) {
  Cgroups cgroups = TRY(Cgroups::detect());
  return cgroups.remove(group);
}

}  // namespace mcloud::runtime
