#include "lab/cgroups.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <memory>
#include <set>
#include <sstream>

#include "io/clock.h"
#include "io/file.h"

namespace mcloud::lab {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

// Folders in a group, whatever else it holds.
std::vector<std::string> children_of(const std::string& path) {
  std::vector<std::string> out;
  std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (folder == nullptr) return out;
  while (dirent* entry = ::readdir(folder.get())) {
    std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") out.push_back(name);
  }
  return out;
}

// "mcloud-1a2b3c4d" (cluster_id()). Others may have groups that begin alike.
bool is_cluster_id(const std::string& name) {
  return name.size() == 15 && name.starts_with("mcloud-") &&
         name.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
}

// A control file is written in place: io::write_file would replace it.
Status write_control(const std::string& path, const std::string& text) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "we"), std::fclose);
  if (file == nullptr) return errno_error(errno, "open " + path);
  if (std::fputs(text.c_str(), file.get()) < 0 || std::fflush(file.get()) != 0)
    return errno_error(errno, "write " + path);
  return {};
}

// A v1 cpuset takes no process before it has CPUs and memory nodes.
void inherit_cpuset(const std::string& parent, const std::string& path) {
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    auto value = io::read_file(parent + file);
    if (value.has_value()) static_cast<void>(write_control(path + file, value.value()));
  }
}

// A controller the machine lacks is simply not there; containers then run without its limit.
void enable_controllers(const std::string& path) {
  for (const char* controller : {"cpu", "cpuset", "memory", "pids", "io"}) {
    static_cast<void>(write_control(path + "/cgroup.subtree_control", std::string("+") + controller));
  }
}

Status remove_once(const std::string& path) {
  for (const std::string& name : children_of(path)) TRY(remove_once(path + "/" + name));
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return errno_error(errno, "remove " + path);
  return {};
}

}  // namespace

Result<Cgroups> Cgroups::find() {
  Cgroups out;
  std::string unified;
  std::set<std::string> seen;
  std::istringstream table(TRY(io::read_file("/proc/self/mounts")));
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string source, place, type;
    words >> source >> place >> type;
    if (type == "cgroup2" && unified.empty()) unified = place;
    if (type == "cgroup" && seen.insert(place).second) out.roots_.push_back(place);
  }
  if (out.roots_.empty() && unified.empty()) {
    return make_error(Code::Unsupported, "no control groups are mounted; mount cgroup2 on /sys/fs/cgroup");
  }
  if (out.roots_.empty()) {
    out.roots_.push_back(unified);
    out.is_unified_ = true;
  } else {
    out.hybrid_mount_ = unified;
  }
  return out;
}

Status Cgroups::create(const std::string& group) const {
  for (const std::string& root : roots_) {
    std::string path = root;
    std::istringstream parts(is_unified_ ? group + "/supervisor" : group);
    for (std::string part; std::getline(parts, part, '/');) {
      if (is_unified_) enable_controllers(path);
      std::string parent = path;
      path += "/" + part;
      if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return errno_error(errno, "create " + path);
      if (!is_unified_) inherit_cpuset(parent, path);
    }
  }
  return {};
}

std::vector<std::string> Cgroups::entrances(const std::string& group) const {
  std::vector<std::string> out;
  for (const std::string& root : roots_) {
    out.push_back(root + "/" + group + (is_unified_ ? "/supervisor" : "") + "/cgroup.procs");
  }
  return out;
}

Status Cgroups::remove(const std::string& group, uint64_t timeout_ms) const {
  uint64_t deadline = io::SystemClock().monotonic_ms() + timeout_ms;
  while (true) {
    Status all;
    for (const std::string& root : roots_) {
      Status one = remove_once(root + "/" + group);
      if (!one.has_value()) all = one;
    }
    if (all.has_value() || io::SystemClock().monotonic_ms() >= deadline) return all;
    // The kernel tells nobody when a dying process has left its v1 groups.
    timespec pause{0, 5'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

void Cgroups::leave() const {
  for (const std::string& root : roots_) static_cast<void>(write_control(root + "/cgroup.procs", "0"));
}

std::vector<std::string> Cgroups::clusters() const {
  std::set<std::string> names;
  for (const std::string& root : roots_) {
    for (const std::string& name : children_of(root)) {
      if (is_cluster_id(name)) names.insert(name);
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace mcloud::lab
