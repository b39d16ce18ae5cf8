// What there is on this machine, from /proc, /sys and a few system calls.
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "bot/host_checks.h"
#include "io/file.h"

namespace mcloud::bot {
namespace {

std::string text_of(const std::string& path) { return io::read_file(path, 4 << 20).value_or(""); }

std::set<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> words;
  for (std::string word; in >> word;) words.insert(word);
  return words;
}

// Of /proc/cgroups: "name hierarchy count enabled".
std::set<std::string> controllers_v1() {
  std::istringstream in(text_of("/proc/cgroups"));
  std::set<std::string> found;
  std::string name;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    unsigned hierarchy = 0, count = 0, enabled = 0;
    if (fields >> name >> hierarchy >> count >> enabled && hierarchy != 0 && enabled != 0) found.insert(name);
  }
  return found;
}

bool has_program(const std::string& name) {
  std::string places = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  if (const char* path = std::getenv("PATH"); path != nullptr) places = std::string(path) + ":" + places;
  for (size_t at = 0; at <= places.size();) {
    size_t end = std::min(places.find(':', at), places.size());
    if (::access((places.substr(at, end - at) + "/" + name).c_str(), X_OK) == 0) return true;
    at = end + 1;
  }
  return false;
}

// Loaded, built in, or a module of the running kernel.
bool has_wireguard(const std::string& kernel) {
  if (io::exists("/sys/module/wireguard")) return true;
  for (const char* list : {"/modules.builtin", "/modules.dep"}) {
    if (text_of("/lib/modules/" + kernel + list).find("/wireguard.ko") != std::string::npos) return true;
  }
  return false;
}

std::string existing_parent(std::string folder) {
  while (folder.size() > 1 && !io::exists(folder)) folder = folder.substr(0, std::max<size_t>(1, folder.rfind('/')));
  return folder;
}

// Do the options of the mount that holds the folder name project quotas? The longest mount point that leads there is it.
bool has_project_quota(const std::string& folder) {
  std::istringstream in(text_of("/proc/self/mounts"));
  size_t longest = 0;
  bool found = false;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device, point, kind, options;
    if (!(fields >> device >> point >> kind >> options)) continue;
    bool leads = folder.starts_with(point) && (point == "/" || folder.size() == point.size() || folder[point.size()] == '/');
    if (!leads || point.size() < longest) continue;
    longest = point.size();
    found = options.find("prjquota") != std::string::npos || options.find("pquota") != std::string::npos;
  }
  return found;
}

// Local ports in state LISTEN (0A) of /proc/net/tcp and tcp6.
std::set<uint16_t> listening_ports() {
  std::set<uint16_t> ports;
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::istringstream in(text_of(path));
    for (std::string line; std::getline(in, line);) {
      std::istringstream fields(line);
      std::string number, local, remote, state;
      if (!(fields >> number >> local >> remote >> state) || state != "0A" || local.rfind(':') == std::string::npos) continue;
      ports.insert(static_cast<uint16_t>(std::strtoul(local.c_str() + local.rfind(':') + 1, nullptr, 16)));
    }
  }
  return ports;
}

void read_machine(HostFacts& facts) {
  utsname names{};
  if (::uname(&names) == 0) {
    facts.kernel = names.release;
    facts.processor = names.machine;
  }
  struct sysinfo about{};
  if (::sysinfo(&about) == 0) facts.memory_bytes = uint64_t{about.totalram} * about.mem_unit;
  facts.cpus = static_cast<uint32_t>(std::max(0L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  timex clock{};
  facts.is_clock_synchronized = ::adjtimex(&clock) >= 0 && (clock.status & STA_UNSYNC) == 0;
}

}  // namespace

HostFacts read_host_facts(const std::string& data_folder) {
  HostFacts facts;
  facts.is_root = ::geteuid() == 0;
  read_machine(facts);
  std::string unified = text_of("/sys/fs/cgroup/cgroup.controllers");
  facts.has_cgroup_v2 = unified.find("memory") != std::string::npos;
  facts.controllers = facts.has_cgroup_v2 ? words_of(unified) : controllers_v1();
  facts.file_systems = words_of(text_of("/proc/filesystems"));
  for (const char* device : {"fuse", "net/tun"}) {
    if (io::exists(std::string("/dev/") + device)) facts.devices.insert(device);
  }
  std::vector<Program> programs = node_programs();
  for (Program& program : gateway_programs()) programs.push_back(std::move(program));
  programs.push_back({"wireguard-go", "wireguard-go"});
  for (const Program& program : programs) {
    if (has_program(program.name)) facts.programs.insert(program.name);
  }
  facts.has_kernel_wireguard = has_wireguard(facts.kernel);
  facts.user_namespaces_max = std::strtoull(text_of("/proc/sys/user/max_user_namespaces").c_str(), nullptr, 10);
  facts.has_seccomp = io::exists("/proc/sys/kernel/seccomp/actions_avail");
  facts.data_folder = data_folder;
  std::string there = existing_parent(data_folder);
  struct statvfs disk{};
  if (::statvfs(there.c_str(), &disk) == 0) facts.data_free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  facts.has_project_quota = has_project_quota(there);
  facts.taken_ports = listening_ports();
  return facts;
}

}  // namespace mcloud::bot
