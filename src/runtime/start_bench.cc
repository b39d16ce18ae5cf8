// How long from the decision to start a container until its program runs, against a plain `crun run` (no user
// namespace, no overlay, no monitor, no seccomp, its default settings) of the same files in the same run.
//   runtime_start_bench [ROUNDS]      needs root and busybox-static
#include <fmt/core.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "io/file.h"
#include "io/process.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"

using namespace mcloud;

namespace {

double now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// The first process of a container is crun until it becomes the program.
void wait_for_program(int pid) {
  std::string path = "/proc/" + std::to_string(pid) + "/exe";
  for (double end = now_ms() + 5'000; now_ms() < end;) {
    char target[4096];
    ssize_t length = readlink(path.c_str(), target, sizeof target);
    if (length > 0 && std::string(target, static_cast<size_t>(length)).ends_with("busybox")) return;
  }
}

Status make_image(const std::string& image) {
  for (const char* name : {"/bin", "/etc", "/proc", "/dev", "/sys", "/tmp"}) TRY(io::make_folders(image + name));
  Bytes busybox = TRY(io::read_file("/bin/busybox"));
  TRY(io::write_file(image + "/bin/busybox", busybox, io::Durability::None, 0755));
  return {};
}

Result<double> start_ours(runtime::Runtime& runtime, const std::string& folder, int round) {
  runtime::ContainerSpec spec;
  spec.id = "bench-" + std::to_string(round);
  spec.image_root = folder + "/image";
  spec.disk_folder = folder + "/disk-" + spec.id;
  spec.base_uid = 1'000'000'000;
  spec.arguments = {"/bin/busybox", "sleep", "60"};
  spec.log_path = folder + "/log";
  spec.limits.memory_bytes = 64 << 20;
  spec.limits.cpu_milli = 1000;
  double before = now_ms();
  TRY(runtime.start(spec));
  wait_for_program(TRY(runtime.process_of(spec.id)));
  double after = now_ms();
  TRY(runtime.stop(spec.id, 0));
  TRY(runtime.remove(spec.id));
  return after - before;
}

Status write_peer_config(const std::string& bundle) {
  TRY(io::make_folders(bundle));
  TRY(io::run_checked({.arguments = {"crun", "spec"}, .working_folder = bundle}));
  Bytes config = TRY(io::read_file(bundle + "/config.json"));
  auto replace = [&](const std::string& from, const std::string& to) {
    if (size_t at = config.find(from); at != std::string::npos) config.replace(at, from.size(), to);
  };
  replace("\"sh\"", "\"/bin/busybox\",\"sleep\",\"60\"");
  replace("\"terminal\": true", "\"terminal\": false");
  replace("\"rootfs\"", "\"" + bundle + "/../image\"");
  return io::write_file(bundle + "/config.json", config, io::Durability::None);
}

Result<double> start_peer(const std::string& folder, int round) {
  std::string id = "mcloud-bench-peer-" + std::to_string(getpid()) + "-" + std::to_string(round);
  std::string root = "--root=" + folder + "/run/peer";
  std::string pid_file = folder + "/run/peer.pid";
  double before = now_ms();
  TRY(io::run_checked({.arguments = {"crun", root, "--cgroup-manager=disabled", "run", "--detach", "--bundle",
                                     folder + "/bundle", "--pid-file", pid_file, id}}));
  Bytes pid = TRY(io::read_file(pid_file));
  wait_for_program(std::atoi(pid.c_str()));
  double after = now_ms();
  TRY(io::run_checked({.arguments = {"crun", root, "--cgroup-manager=disabled", "delete", "--force", id}}));
  return after - before;
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

Status bench(const std::string& folder, int rounds) {
  TRY(make_image(folder + "/image"));
  TRY(write_peer_config(folder + "/bundle"));
  std::string group = "runtime-bench-" + std::to_string(getpid());
  runtime::RuntimeOptions options;
  options.folder = folder + "/run";
  options.cgroup_parent = group;
  std::unique_ptr<runtime::Runtime> runtime = TRY(runtime::Runtime::open(options));
  std::vector<double> ours, peer;
  for (int round = 0; round < rounds; ++round) {
    ours.push_back(TRY(start_ours(*runtime, folder, round)));
    peer.push_back(TRY(start_peer(folder, round)));
  }
  double our_median = percentile(ours, 0.5), peer_median = percentile(peer, 0.5);
  fmt::print("start() to the program running, {} rounds: ours p50 {:.1f} ms, p95 {:.1f} ms; crun run p50 {:.1f} ms, p95 {:.1f} ms\n",
             rounds, our_median, percentile(ours, 0.95), peer_median, percentile(peer, 0.95));
  fmt::print("metric=start_overhead_ms ours={:.1f} peer={:.1f} peer_name=crun-run ratio={:.2f} unit=ms\n", our_median,
             peer_median, our_median / peer_median);
  return runtime::sweep_cgroups(group);
}

}  // namespace

int main(int count, char** arguments) {
  log::set_level(log::Level::Error);
  int rounds = count > 1 ? std::max(1, std::atoi(arguments[1])) : 30;
  char folder[] = "/tmp/mcloud-start-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr || chmod(folder, 0711) != 0) return 1;
  std::string run = std::string(folder) + "/run";
  mkdir(run.c_str(), 0711);
  // crun refuses v1 control groups beside an empty v2; the runtime hides it for itself, the peer needs it too.
  bool is_ready = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                  mount("tmpfs", run.c_str(), "tmpfs", 0, "mode=711") == 0;
  umount2("/sys/fs/cgroup/unified", MNT_DETACH);
  Status done = is_ready ? bench(folder, rounds) : Status(errno_error(errno, "mount a tmpfs (needs root)"));
  umount2(run.c_str(), MNT_DETACH);
  Status removed = io::remove_tree(folder);
  for (const Status& status : {done, removed}) {
    if (!status.has_value()) fmt::print(stderr, "start_bench: {}\n", status.error().message);
  }
  return done.has_value() && removed.has_value() ? 0 : 1;
}
