#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <sys/syscall.h>

#include "image/mount/test_reference.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

// A user namespace that maps 0.. to 100000.., as a descriptor.
io::Fd user_range() {
  io::Command command;
  command.arguments = {"unshare", "--user", "sleep", "60"};
  Result<std::unique_ptr<io::Child>> child = io::Child::start(command, {});
  REQUIRE(child.has_value());
  std::string proc = "/proc/" + std::to_string((*child)->pid());
  while (shell("readlink " + proc + "/ns/user") == shell("readlink /proc/self/ns/user")) REQUIRE((*child)->is_running());
  std::string map = "printf '0 100000 65536' > " + proc;
  CHECK_EQ(shell(map + "/uid_map; " + map + "/gid_map"), "");
  io::Fd range(::open((proc + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(range.is_open());
  return range;
}

// As runtime/root_folder.cc makes a container's lower folder.
void bind_idmapped(const std::string& source, const std::string& target, const io::Fd& range) {
  int tree = static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, source.c_str(), 1 /* clone */ | O_CLOEXEC));
  REQUIRE(tree >= 0);
  struct mount_attr change {};
  change.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV;
  change.userns_fd = static_cast<uint64_t>(range.get());
  int changed = static_cast<int>(::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &change, sizeof change));
  REQUIRE_MESSAGE(changed == 0, strerror(errno));
  REQUIRE_EQ(::syscall(SYS_move_mount, tree, "", AT_FDCWD, target.c_str(), 4 /* empty source path */), 0);
  ::close(tree);
}

}  // namespace

TEST_CASE_MOUNTS("an overlay on an idmapped mount of an image is a container's root: programs run, set-uid too, files change") {
  MountWorld world;
  REQUIRE_EQ(make_reference(world.reference()), "");
  REQUIRE_EQ(shell("cd " + world.reference() + "/bin && cp /usr/bin/id id && chmod 4755 id"), "");
  std::string root = world.attach(world.pack(world.reference()));
  if (!world.figures().has_idmap) {
    MESSAGE("skipped: the kernel has no idmapped FUSE mounts");
    return;
  }
  std::string box = world.folder / "box";
  REQUIRE_EQ(shell("chmod 755 " + world.folder.path() + "; mkdir -p " + box + "/lower " + box + "/upper " + box + "/work " + box + "/root; chown 100000:100000 " + box + "/upper"), "");
  io::Fd range = user_range();
  bind_idmapped(root, box + "/lower", range);
  std::string options = "lowerdir=" + box + "/lower,upperdir=" + box + "/upper,workdir=" + box + "/work,index=off,metacopy=off";
  REQUIRE_EQ(::mount("overlay", (box + "/root").c_str(), "overlay", MS_NODEV, options.c_str()), 0);
  CHECK_EQ(shell("stat -c '%u %g' " + box + "/root/etc/file " + box + "/root/bin/sh"), "100012 165535\n100000 100000\n");
  CHECK_EQ(shell("chroot --userspec=100005:100005 " + box + "/root /bin/busybox id -u"), "100005\n");
  // Through set-uid somebody of the range becomes the range's root, and no more.
  std::string id = shell("setpriv --reuid 100005 --regid 100005 --clear-groups " + box + "/root/bin/id");
  CHECK_MESSAGE(id.find("uid=100005 gid=100005 euid=100000") == 0, id);
  CHECK_EQ(shell("chroot " + box + "/root /bin/sh -c 'echo more >> /etc/file; /bin/busybox rm /etc/nothing; echo /etc/*'"),
           "/etc/absolute /etc/deep /etc/file\n");
  CHECK_EQ(shell("cat " + root + "/etc/file"), "hello");
  CHECK_EQ(difference(shell("cd " + box + "/root/etc/deep; find . -type f | sort | xargs sha256sum"),
                      shell("cd " + world.reference() + "/etc/deep; find . -type f | sort | xargs sha256sum")), "");
  // Mounted: not detached, and still there.
  std::string digest = world.figures().images.front().digest;
  CHECK_EQ(world.mount().detach(digest).error().code, Code::Conflict);
  CHECK_EQ(shell("cat " + box + "/root/etc/file"), "hellomore\n");
  // The process that serves dies; the container does not notice.
  int process = world.figures().process;
  REQUIRE_EQ(::kill(process, SIGKILL), 0);
  CHECK_EQ(shell("chroot " + box + "/root /bin/busybox sha256sum /etc/deep/random | cut -c 1-64"),
           shell("sha256sum " + world.reference() + "/etc/deep/random | cut -c 1-64"));
  CHECK_EQ(::umount2((box + "/root").c_str(), MNT_DETACH), 0);
  CHECK_EQ(::umount2((box + "/lower").c_str(), MNT_DETACH), 0);
  Status detached = world.mount().detach(digest);
  CHECK_MESSAGE(detached.has_value(), detached.error().message);
}

TEST_CASE("the program that answers the kernel has no database in it") {
  std::string program = test_program();
  REQUIRE(io::exists(program));
  std::string symbols = shell("nm -C " + program + " 2>/dev/null; readelf -d " + program);
  REQUIRE(symbols.find("mcloud::image::run_imagefs") != std::string::npos);
  for (const char* word : {"sqlite3", "rocksdb", "libsqlite", "librocksdb", "mcloud::ledger", "mcloud::kv::"}) {
    CHECK_MESSAGE(symbols.find(word) == std::string::npos, word);
  }
}

TEST_CASE_MOUNTS("the mount's processes keep two capabilities, gain none and refuse what serving does not need") {
  MountWorld world;
  static_cast<void>(world.mount());
  MountFigures figures = world.figures();
  REQUIRE_EQ(::kill(figures.keeper, SIGKILL), 0);  // what one starts after it gave up the rest is no more than it
  while (world.figures().keeper == figures.keeper) {}
  figures = world.figures();
  std::string possible = shell("sh -c 'echo -500 2>/dev/null > /proc/$$/oom_score_adj; exec cat /proc/self/oom_score_adj' 2>/dev/null");
  for (int process : {figures.process, figures.keeper}) {
    std::string status = *io::read_file("/proc/" + std::to_string(process) + "/status");
    for (const char* line : {"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000200002\n", "CapEff:\t0000000000200002\n",
                             "NoNewPrivs:\t1\n", "Seccomp:\t2\n"}) {
      CHECK_MESSAGE(status.find(line) != std::string::npos, line << " in " << status);
    }
    std::string score = *io::read_file("/proc/" + std::to_string(process) + "/oom_score_adj");
    CHECK_EQ(score, possible);
  }
}
