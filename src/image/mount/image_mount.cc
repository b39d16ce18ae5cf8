#include "image/mount/image_mount.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/log.h"
#include "image/mount/control_server.h"
#include "image/mount/fuse_device.h"
#include "io/clock.h"
#include "io/process.h"

namespace mcloud::image {
namespace {

using Kind = ControlRequest::Kind;

constexpr uint64_t kAskTimeoutMs = 15'000;    // covers a restart of the serving process
constexpr uint64_t kHelloTimeoutMs = 2'000;

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

std::string beside_us(const std::string& name) {
  char path[PATH_MAX];
  ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  std::string self = length > 0 ? std::string(path, static_cast<size_t>(length)) : "";
  return self.substr(0, self.find_last_of('/') + 1) + name;
}

class SocketMount : public ImageMount {
 public:
  explicit SocketMount(const MountOptions& options) : options_(options) {
    if (options_.program.empty()) options_.program = beside_us("mcloud-imagefs");
  }

  Status open() {
    if (!options_.folder.starts_with('/') || !options_.cache_folder.starts_with('/')) {
      return make_error(Code::Invalid, "folder and cache of the image mount: absolute paths are needed");
    }
    TRY(io::make_folders(options_.folder, 0700));
    uint64_t deadline_ms = now_ms() + options_.start_timeout_ms;
    io::Fd turn = TRY(wait_for_lock("opening", deadline_ms));
    while (true) {
      Result<ControlReply> hello = ask(socket_path(), {}, kHelloTimeoutMs);
      if (hello.has_value()) return check_mount();
      // While one of both processes lives, the other comes back.
      Result<io::Fd> alive = io::lock_file(options_.folder + "/alive");
      if (alive.has_value()) {
        alive->reset();
        TRY(start());
      } else if (alive.error().code != Code::Conflict) {
        return alive.error();
      }
      if (now_ms() >= deadline_ms) {
        return make_error(Code::TimedOut, "mcloud-imagefs does not answer: " + hello.error().message + "; see " +
                                              options_.folder + "/imagefs.log");
      }
      ::poll(nullptr, 0, 5);
    }
  }

  Result<std::string> attach(const Attachment& attachment) override {
    return TRY(request({Kind::Attach, attachment, ""}).with_context("attach " + attachment.digest)).folder;
  }

  Status detach(const std::string& digest) override {
    TRY(request({Kind::Detach, {}, digest}).with_context("detach " + digest));
    return {};
  }

  Result<MountFigures> figures() override { return TRY(request({Kind::Figures, {}, ""})).figures; }

  Result<std::vector<std::string>> trace(const std::string& digest) override {
    return TRY(request({Kind::Trace, {}, digest})).trace;
  }

  Status stop() override {
    uint64_t deadline_ms = now_ms() + kAskTimeoutMs;
    // For a keeper that has no server which could be asked.
    TRY(io::write_file(options_.folder + "/stop", "", io::Durability::None, 0600));
    static_cast<void>(ask(socket_path(), {Kind::Stop, {}, ""}, kHelloTimeoutMs));  // its answer is that it ends
    io::Fd alive = TRY(wait_for_lock("alive", deadline_ms).with_context("stop mcloud-imagefs"));
    TRY(unmount_all(options_.folder + "/mount"));
    ::unlink(socket_path().c_str());
    return {};
  }

 private:
  // A server that dies with our request in its hands is followed by another; all requests may be asked twice.
  Result<ControlReply> request(const ControlRequest& what) const {
    uint64_t deadline_ms = now_ms() + kAskTimeoutMs;
    while (true) {
      Result<ControlReply> reply = ask(socket_path(), what, deadline_ms - std::min(deadline_ms, now_ms()));
      if (reply.has_value() || reply.error().code != Code::Unavailable || now_ms() >= deadline_ms) return reply;
      Result<io::Fd> alive = io::lock_file(options_.folder + "/alive");
      if (alive.has_value()) return reply;  // both are dead
      ::poll(nullptr, 0, 5);
    }
  }

  std::string socket_path() const { return options_.folder + "/control.sock"; }

  // It may serve a mount that only another mount namespace sees.
  Status check_mount() const {
    if (TRY(is_fuse_mount(options_.folder + "/mount"))) return {};
    return make_error(Code::Conflict, "mcloud-imagefs of " + options_.folder + " serves a mount that is not seen here");
  }

  Result<io::Fd> wait_for_lock(const std::string& name, uint64_t deadline_ms) const {
    while (true) {
      Result<io::Fd> lock = io::lock_file(options_.folder + "/" + name);
      if (lock.has_value() || lock.error().code != Code::Conflict || now_ms() >= deadline_ms) return lock;
      ::poll(nullptr, 0, 5);
    }
  }

  Status start() const {
    io::Command command;
    command.arguments = {options_.program, "start", "--folder", options_.folder, "--cache", options_.cache_folder,
                         "--cache-bytes", std::to_string(options_.cache_bytes_max),
                         "--block-timeout-ms", std::to_string(options_.block_timeout_ms),
                         "--stuck-timeout-ms", std::to_string(options_.stuck_timeout_ms)};
    if (!options_.certificates.empty()) {
      command.arguments.insert(command.arguments.end(), {"--certificates", options_.certificates});
    }
    io::Limits limits;
    limits.timeout_ms = options_.start_timeout_ms;
    TRY(io::run_checked(command, limits));
    return {};
  }

  MountOptions options_;
};

}  // namespace

Result<std::unique_ptr<ImageMount>> ImageMount::open(const MountOptions& options) {
  auto mount = std::make_unique<SocketMount>(options);
  TRY(mount->open().with_context("image mount"));
  return std::unique_ptr<ImageMount>(std::move(mount));
}

}  // namespace mcloud::image
