#include "bot/host_checks.h"

#include <charconv>

#include "base/units.h"

namespace mcloud::bot {
namespace {

using Verdict = HostCheck::Verdict;

constexpr uint64_t kMemoryMin = 512ull << 20, kMemoryGood = 1ull << 30;
constexpr uint64_t kDiskMin = 2ull << 30, kDiskGood = 20ull << 30;
constexpr unsigned kKernelMajor = 5, kKernelMinor = 10;  // crun and the firewall's sets of several fields

std::vector<unsigned> version_of(const std::string& kernel) {
  unsigned major = 0, minor = 0;
  const char* end = kernel.data() + kernel.size();
  auto first = std::from_chars(kernel.data(), end, major);
  if (first.ec == std::errc() && first.ptr != end) std::from_chars(first.ptr + 1, end, minor);
  return {major, minor};
}

class Checks {
 public:
  explicit Checks(const HostFacts& facts) : facts_(facts) {}

  void add(std::string what, Verdict verdict, std::string found, std::string remedy) {
    if (verdict == Verdict::Good) remedy.clear();
    out_.push_back({std::move(what), verdict, std::move(found), std::move(remedy)});
  }
  void need(std::string what, bool is_good, std::string found, std::string remedy, Verdict otherwise = Verdict::Bad) {
    add(std::move(what), is_good ? Verdict::Good : otherwise, std::move(found), std::move(remedy));
  }

  void machine();
  void kernel();
  void programs(const std::string& what, const std::vector<Program>& wanted);
  void storage();
  void gateway();
  std::vector<HostCheck> take() { return std::move(out_); }

 private:
  const HostFacts& facts_;
  std::vector<HostCheck> out_;
};

void Checks::machine() {
  need("rights", facts_.is_root, facts_.is_root ? "root" : "not root", "a node makes namespaces, mounts and control groups: run it (and this) as root");
  need("processor", facts_.processor == "x86_64" || facts_.processor == "aarch64", facts_.processor + ", " + std::to_string(facts_.cpus) + " processors",
       "64-bit x86 or ARM is needed");
  Verdict memory = facts_.memory_bytes < kMemoryMin ? Verdict::Bad : facts_.memory_bytes < kMemoryGood ? Verdict::Warning : Verdict::Good;
  add("memory", memory, format_size(facts_.memory_bytes), "a node itself takes 60 to 150 MiB; with less than 1GiB little is left to offer");
  need("clock", facts_.is_clock_synchronized, facts_.is_clock_synchronized ? "synchronized" : "not known to be synchronized",
       "expiry and audit are read by people's clocks: apt-get install systemd-timesyncd (or chrony)", Verdict::Warning);
}

void Checks::kernel() {
  std::vector<unsigned> wanted = {kKernelMajor, kKernelMinor};
  need("kernel", version_of(facts_.kernel) >= wanted, facts_.kernel, "Linux 5.10 or later is needed: Debian 12 has 6.1");
  std::string missing, groups = facts_.has_cgroup_v2 ? "version 2" : "version 1";
  for (const char* controller : {"cpu", "memory", "pids"}) {
    if (!facts_.controllers.contains(controller)) missing += std::string(missing.empty() ? "" : ", ") + controller;
  }
  need("control groups", missing.empty(), missing.empty() ? groups : groups + ", without " + missing,
       "containers could not be bounded: boot with cgroup_enable=memory systemd.unified_cgroup_hierarchy=1, or mount the controllers");
  need("overlay", facts_.file_systems.contains("overlay"), facts_.file_systems.contains("overlay") ? "there" : "not in /proc/filesystems",
       "modprobe overlay");
  need("user namespaces", facts_.user_namespaces_max > 0, "at most " + std::to_string(facts_.user_namespaces_max),
       "sysctl user.max_user_namespaces=10000: without them a container's root would be the host's");
  need("system call filter", facts_.has_seccomp, facts_.has_seccomp ? "there" : "not there", "a kernel with CONFIG_SECCOMP_FILTER is needed");
  need("FUSE", facts_.devices.contains("fuse"), facts_.devices.contains("fuse") ? "/dev/fuse" : "no /dev/fuse",
       "modprobe fuse: without it images of kind fl: do not start here", Verdict::Warning);
  bool can_encrypt = facts_.has_kernel_wireguard || (facts_.programs.contains("wireguard-go") && facts_.devices.contains("net/tun"));
  need("WireGuard", can_encrypt, facts_.has_kernel_wireguard ? "the kernel's" : can_encrypt ? "wireguard-go (slower than the kernel's)" : "none",
       "modprobe wireguard; or apt-get install wireguard-go and modprobe tun. Without it this node takes no encrypted networks");
}

void Checks::programs(const std::string& what, const std::vector<Program>& wanted) {
  std::string missing;
  std::set<std::string> packages;
  for (const Program& program : wanted) {
    if (facts_.programs.contains(program.name)) continue;
    missing += (missing.empty() ? "" : ", ") + program.name;
    packages.insert(program.package);
  }
  std::string install = "apt-get install";
  for (const std::string& package : packages) install += " " + package;
  need(what, missing.empty(), missing.empty() ? "all there" : "missing: " + missing, install);
}

void Checks::storage() {
  uint64_t free = facts_.data_free_bytes;
  Verdict verdict = free < kDiskMin ? Verdict::Bad : free < kDiskGood ? Verdict::Warning : Verdict::Good;
  add("disk", verdict, format_size(free) + " free below " + facts_.data_folder, "give it a folder on a larger disk: data in the node's config");
  need("disk bounds", facts_.has_project_quota, facts_.has_project_quota ? "by the file system (prjquota)" : "measured every 2 to 30 s",
       "for hard bounds mount " + facts_.data_folder + " on ext4 or xfs with prjquota (docs/reference/node.md)", Verdict::Warning);
}

void Checks::gateway() {
  for (uint16_t port : {uint16_t{80}, uint16_t{443}}) {
    bool is_free = !facts_.taken_ports.contains(port);
    need("port " + std::to_string(port), is_free, is_free ? "free" : "somebody listens", "a gateway listens there: stop what does now (ss -ltnp)");
  }
}

}  // namespace

std::vector<Program> node_programs() {
  return {{"crun", "crun"}, {"conmon", "conmon"}, {"nft", "nftables"}, {"ip", "iproute2"}, {"nsenter", "util-linux"}, {"unbound", "unbound"}};
}

std::vector<Program> gateway_programs() { return {{"haproxy", "haproxy"}, {"uacme", "uacme"}}; }

std::vector<HostCheck> check_host(const HostFacts& facts, bool is_gateway) {
  Checks checks(facts);
  checks.machine();
  checks.kernel();
  checks.programs("programs", node_programs());
  if (is_gateway) checks.programs("gateway's programs", gateway_programs());
  checks.storage();
  if (is_gateway) checks.gateway();
  return checks.take();
}

}  // namespace mcloud::bot
