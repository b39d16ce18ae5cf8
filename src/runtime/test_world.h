// For this room's tests: a private mount namespace with a tmpfs, a root file system of busybox, a runtime with
// its own control groups. Everything is gone when it is destroyed.
#pragma once

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "io/clock.h"
#include "io/file.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/process_identity.h"

namespace mcloud::runtime {

// Why real containers cannot be tried here; "" when they can.
inline std::string no_containers_reason() {
  if (geteuid() != 0) return "needs root";
  if (!io::exists("/bin/busybox")) return "needs the Debian package busybox-static";
  return "";
}

class TestWorld {
 public:
  static constexpr uint32_t kBaseUid = 1'000'000'000;

  TestWorld() {
    // Once for the test program: mounts of the tests are nobody else's, and end with it.
    static const bool is_private = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    REQUIRE(is_private);
    char path[] = "/tmp/mcloud-runtime-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    folder_ = path;
    REQUIRE_EQ(chmod(path, 0711), 0);
    group_ = "runtime-test-" + folder_.substr(folder_.rfind('-') + 1);
    REQUIRE(io::make_folders(run()).has_value());
    REQUIRE_EQ(mount("tmpfs", run().c_str(), "tmpfs", 0, "mode=711"), 0);
    make_image();
    runtime_ = open();
  }

  ~TestWorld() {
    Result<std::vector<std::string>> ids = runtime_->list();
    if (ids.has_value()) {
      for (const std::string& id : *ids) {
        Status removed = runtime_->remove(id);
        CHECK_MESSAGE(removed.has_value(), removed.error().message);
      }
    }
    Status swept = sweep_cgroups(group_);
    CHECK_MESSAGE(swept.has_value(), swept.error().message);
    runtime_.reset();
    CHECK_EQ(umount(run().c_str()), 0);
    Status removed = io::remove_tree(folder_);
    CHECK_MESSAGE(removed.has_value(), removed.error().message);
  }

  RuntimeOptions options() const {
    RuntimeOptions options;
    options.folder = run();
    options.cgroup_parent = group_;
    return options;
  }

  std::unique_ptr<Runtime> open() const {
    Result<std::unique_ptr<Runtime>> opened = Runtime::open(options());
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    return std::move(*opened);
  }

  ContainerSpec spec(const std::string& id, const std::string& script) const {
    ContainerSpec spec;
    spec.id = id;
    spec.image_root = folder_ + "/image";
    spec.disk_folder = folder_ + "/disk-" + id;
    spec.base_uid = kBaseUid;
    spec.arguments = {"/bin/sh", "-c", script};
    spec.log_path = folder_ + "/" + id + ".log";
    return spec;
  }

  // Waits at most 10 s.
  ContainerStatus wait_stopped(const std::string& id) {
    io::SystemClock clock;
    uint64_t deadline_ms = clock.monotonic_ms() + 10'000;
    while (true) {
      Result<ContainerStatus> status = runtime_->status(id);
      REQUIRE_MESSAGE(status.has_value(), status.error().message);
      if (status->state == ContainerState::Stopped) return *status;
      REQUIRE_MESSAGE(clock.monotonic_ms() < deadline_ms, "the container does not end");
      REQUIRE(runtime_->wait_for_exits(50).has_value());
    }
  }

  // Runs a script to its end: what it wrote, "text\n" per line, standard error too.
  std::string output_of(const ContainerSpec& spec) {
    Status started = runtime_->start(spec);
    REQUIRE_MESSAGE(started.has_value(), started.error().message);
    wait_stopped(spec.id);
    return log_text(spec.id);
  }
  std::string log_text(const std::string& id) const {
    Result<Bytes> log = io::read_file(folder_ + "/" + id + ".log");
    std::string out;
    for (size_t at = 0; log.has_value() && at < log->size();) {
      size_t end = std::min(log->find('\n', at), log->size());
      std::string line = log->substr(at, end - at);
      for (int field = 0; field < 3; ++field) line = line.substr(std::min(line.find(' ') + 1, line.size()));
      out += line + "\n";
      at = end + 1;
    }
    return out;
  }

  Runtime& runtime() { return *runtime_; }
  const std::string& folder() const { return folder_; }
  const std::string& group() const { return group_; }
  std::string run() const { return folder_ + "/run"; }

 private:
  void make_image() {
    std::string image = folder_ + "/image";
    for (const char* name : {"/bin", "/etc", "/tmp", "/proc", "/dev", "/sys", "/var/lib"}) {
      REQUIRE(io::make_folders(image + name).has_value());
    }
    chmod((image + "/tmp").c_str(), 01777);
    Result<Bytes> busybox = io::read_file("/bin/busybox");
    REQUIRE(busybox.has_value());
    REQUIRE(io::write_file(image + "/bin/busybox", *busybox, io::Durability::None, 0755).has_value());
    for (const char* name : {"sh", "cat", "id", "ls", "echo", "sleep", "mkdir", "touch", "stat", "mount", "dd", "nc",
                             "httpd", "true", "false", "kill", "ps", "hostname", "chmod", "chown", "df", "head",
                             "mknod", "unshare", "readlink", "grep", "wc", "ping", "rm", "sync", "env", "date"}) {
      REQUIRE_EQ(symlink("busybox", (image + "/bin/" + name).c_str()), 0);
    }
    std::string passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/var/web:/bin/sh\n";
    std::string group = "root:x:0:\nweb:x:34:\nlogs:x:50:web\n";
    REQUIRE(io::write_file(image + "/etc/passwd", passwd, io::Durability::None).has_value());
    REQUIRE(io::write_file(image + "/etc/group", group, io::Durability::None).has_value());
  }

  std::string folder_;
  std::string group_;
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace mcloud::runtime

#define TEST_CASE_CONTAINERS(name) \
  TEST_CASE(name* doctest::skip(!::mcloud::runtime::no_containers_reason().empty()))
