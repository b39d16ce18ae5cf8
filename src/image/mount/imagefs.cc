#include "image/mount/imagefs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "image/mount/control_server.h"
#include "image/mount/imagefs_process.h"

namespace mcloud::image {
namespace {

constexpr const char* kUsage =
    "mcloud-imagefs start --folder FOLDER --cache FOLDER [--cache-bytes N] [--certificates FILE]\n"
    "                     [--block-timeout-ms N] [--stuck-timeout-ms N] [--no-resend true]\n"
    "Mounts the lazy file system of a node on FOLDER/mount and serves it. mcloud starts it by itself.\n"
    "docs/reference/imagefs.md describes the files and the control socket.\n";

Result<uint64_t> number(const std::string& text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return make_error(Code::Invalid, text + " is not a number");
  return value;
}

Result<MountOptions> parse_options(const std::vector<std::string>& arguments) {
  MountOptions out;
  for (size_t at = 1; at < arguments.size(); at += 2) {
    const std::string& name = arguments[at];
    if (at + 1 >= arguments.size()) return make_error(Code::Invalid, name + " needs a value");
    const std::string& value = arguments[at + 1];
    if (name == "--folder") out.folder = value;
    else if (name == "--cache") out.cache_folder = value;
    else if (name == "--cache-bytes") out.cache_bytes_max = TRY(number(value));
    else if (name == "--certificates") out.certificates = value;
    else if (name == "--stuck-timeout-ms") out.stuck_timeout_ms = TRY(number(value));
    else if (name == "--block-timeout-ms") out.block_timeout_ms = TRY(number(value));
    else if (name == "--no-resend") continue;  // is_without_resend
    else return make_error(Code::Invalid, "there is no option " + name);
  }
  if (!out.folder.starts_with('/') || !out.cache_folder.starts_with('/')) {
    return make_error(Code::Invalid, "--folder and --cache are needed, as absolute paths");
  }
  return out;
}

// As on a kernel that does not send requests again: for tests.
bool is_without_resend(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--no-resend") != arguments.end();
}

// When memory is short others go first: all containers read through us. Not allowed everywhere: then as we are.
void be_spared() {
  io::Fd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file.is_open()) static_cast<void>(!::write(file.get(), "-500", 4));
}

// Each file that is open and cached costs the server a descriptor.
void raise_descriptors() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1 << 20);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Who only looks whether somebody serves holds it for a moment.
Result<io::Fd> take_alive(const std::string& folder) {
  Result<io::Fd> lock = io::lock_file(folder + "/alive");
  for (int tries = 0; tries < 100 && !lock.has_value() && lock.error().code == Code::Conflict; ++tries) {
    ::poll(nullptr, 0, 5);
    lock = io::lock_file(folder + "/alive");
  }
  return std::move(lock).with_context("somebody serves " + folder);
}

Status start(const std::vector<std::string>& arguments) {
  KeptState state;
  state.options = TRY(parse_options(arguments));
  const std::string& folder = state.options.folder;
  TRY(io::make_folders(folder, 0700));
  // Set-uid files of strangers lie below: nobody but root may come here.
  if (::chmod(folder.c_str(), 0700) != 0) return errno_error(errno, "protect " + folder);
  SharedDescriptors shared;
  shared.alive = TRY(take_alive(folder));
  ::unlink((folder + "/stop").c_str());
  std::string point = folder + "/mount";
  TRY(unmount_all(point));
  TRY(io::make_folders(point, 0755));
  shared.control = TRY(listen_for_control(folder + "/control.sock"));
  shared.fuse = TRY(mount_fuse(point));
  Result<Negotiated> negotiated = negotiate(shared.fuse.get(), 5'000);
  Status failed = negotiated.has_value() ? Status() : Status(negotiated.error());
  if (failed.has_value()) {
    if (is_without_resend(arguments)) negotiated->has_resend = false;
    shared.memory = TRY(SharedMemory::create(*negotiated));
    failed = shared.memory->set_text(write_state(state));
  }
  if (failed.has_value()) {
    ::signal(SIGPIPE, SIG_IGN);
    Result<std::unique_ptr<io::Child>> keeper = start_role("keeper", 0, shared, folder);
    if (keeper.has_value()) (*keeper)->abandon();
    else failed = std::move(keeper).error();
  }
  if (!failed.has_value()) static_cast<void>(unmount_all(point));
  return failed;
}

int run_role(const std::vector<std::string>& arguments) {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::umask(0077);
  Result<uint64_t> other = number(arguments[1]);
  Result<SharedDescriptors> shared = inherited_descriptors();
  if (!other.has_value() || !shared.has_value()) {
    std::fprintf(stderr, "%s\n", (other.has_value() ? shared.error() : other.error()).message.c_str());
    return 2;
  }
  int process = static_cast<int>(*other);
  if (arguments[0] == "server") return run_server(std::move(*shared), process);
  return run_keeper(std::move(*shared), process);
}

}  // namespace

int run_imagefs(const std::vector<std::string>& arguments) {
  if (arguments.size() == 2 && (arguments[0] == "keeper" || arguments[0] == "server")) return run_role(arguments);
  if (arguments.empty() || arguments[0] != "start") {
    std::fputs(kUsage, arguments.empty() || arguments[0] != "--help" ? stderr : stdout);
    return arguments.empty() || arguments[0] != "--help" ? 2 : 0;
  }
  be_spared();
  raise_descriptors();
  Status started = start(arguments);
  if (started.has_value()) return 0;
  std::fprintf(stderr, "mcloud-imagefs: %s\n", started.error().message.c_str());
  return 1;
}

}  // namespace mcloud::image
