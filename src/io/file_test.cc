#include "io/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/scratch_folder.h"

using namespace mcloud;
using namespace mcloud::io;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat about{};
  REQUIRE_EQ(lstat(path.c_str(), &about), 0);
  return about.st_mode & 07777;
}

void put(const std::string& path, BytesView bytes) { REQUIRE(write_file(path, bytes, Durability::None).has_value()); }

size_t open_descriptors() { return list_folder("/proc/self/fd").value().size(); }

}  // namespace

TEST_CASE("a file comes back as it was written, with its exact mode") {
  ScratchFolder folder;
  for (size_t size : {0ul, 1ul, 4096ul, 70'000ul, 3'000'000ul}) {
    Bytes bytes = SystemRandom().bytes(size);
    REQUIRE(write_file(folder / "file", bytes, Durability::Fsync, 0640).has_value());
    CHECK_EQ(read_file(folder / "file").value(), bytes);
    CHECK_EQ(mode_of(folder / "file"), 0640u);
  }
  CHECK_EQ(list_folder(folder.path).value(), std::vector<std::string>{"file"});
}

TEST_CASE("reading stops at the bound and says so") {
  ScratchFolder folder;
  put(folder / "file", "123456");
  CHECK_EQ(read_file(folder / "file", 6).value(), "123456");
  Error error = read_file(folder / "file", 5).error();
  CHECK_EQ(error.code, Code::Exhausted);
  CHECK_EQ(error.message, "read " + (folder / "file") + ": larger than 5 bytes");
}

TEST_CASE("files that say they are empty are read to their end") {
  CHECK(read_file("/proc/self/status").value().starts_with("Name:"));
  CHECK_EQ(read_file("/proc/self/status", 10).error().code, Code::Exhausted);
}

TEST_CASE("errors name the path and keep the kind") {
  ScratchFolder folder;
  Error error = read_file(folder / "absent").error();
  CHECK_EQ(error.code, Code::NotFound);
  CHECK_EQ(error.message, "open " + (folder / "absent") + ": No such file or directory");
  CHECK_EQ(read_file(folder.path).error().code, Code::Invalid);
  CHECK_EQ(list_folder(folder / "absent").error().code, Code::NotFound);
  CHECK_EQ(write_file(folder / "absent/file", "x", Durability::None).error().code, Code::NotFound);
}

TEST_CASE("a failed write leaves the old content and no sibling") {
  ScratchFolder folder;
  REQUIRE(make_folders(folder / "target/inside").has_value());
  CHECK_FALSE(write_file(folder / "target", "x", Durability::None).has_value());
  CHECK_EQ(list_folder(folder.path).value(), std::vector<std::string>{"target"});
  CHECK(exists(folder / "target/inside"));
}

TEST_CASE("a writer killed at any moment leaves the old or the new content") {
  ScratchFolder folder;
  const std::string path = folder / "file";
  const Bytes old_content(200'000, 'o');
  const Bytes new_content(300'000, 'n');
  put(path, old_content);
  SystemRandom random;
  for (int round = 0; round < 60; ++round) {
    int child = fork();
    if (child == 0) {
      for (bool is_new = true;; is_new = !is_new) {
        static_cast<void>(write_file(path, is_new ? new_content : old_content, Durability::None));
      }
    }
    uint64_t until = SystemClock().monotonic_ms() + random.below(6);
    while (SystemClock().monotonic_ms() < until) continue;
    kill(child, SIGKILL);
    REQUIRE_EQ(waitpid(child, nullptr, 0), child);
    Bytes content = read_file(path).value();
    CHECK((content == old_content || content == new_content));
    CHECK_EQ(list_folder(folder.path).value(), std::vector<std::string>{"file"});
  }
}

TEST_CASE("an unfinished sibling of a killed writer is not listed") {
  ScratchFolder folder;
  put(folder / ".new-0123456789abcdef", "half");
  put(folder / "b", "");
  put(folder / ".a", "");
  CHECK_EQ(list_folder(folder.path).value(), std::vector<std::string>{".a", "b"});
}

TEST_CASE("a link is replaced, not written through") {
  ScratchFolder folder;
  put(folder / "target", "old");
  REQUIRE_EQ(symlink("target", (folder / "link").c_str()), 0);
  put(folder / "link", "new");
  CHECK_EQ(read_file(folder / "target").value(), "old");
  CHECK_EQ(read_file(folder / "link").value(), "new");
}

TEST_CASE("folders are made with all their parents, twice is fine") {
  ScratchFolder folder;
  CHECK(make_folders(folder / "a/b//c/").has_value());
  CHECK(make_folders(folder / "a/b/c").has_value());
  CHECK(exists(folder / "a/b/c"));
  put(folder / "file", "");
  CHECK_EQ(make_folders(folder / "file/x").error().code, Code::AlreadyExists);
  CHECK_EQ(make_folders("").error().code, Code::Invalid);
  CHECK(make_folders("/").has_value());
}

TEST_CASE("a tree is removed without following its links") {
  ScratchFolder folder;
  put(folder / "kept", "kept");
  REQUIRE(make_folders(folder / "tree/a/b").has_value());
  put(folder / "tree/a/file", "x");
  REQUIRE_EQ(symlink("../..", (folder / "tree/a/up").c_str()), 0);
  REQUIRE_EQ(symlink(folder.path.c_str(), (folder / "tree/link").c_str()), 0);
  CHECK(remove_tree(folder / "tree").has_value());
  CHECK_FALSE(exists(folder / "tree"));
  CHECK_EQ(read_file(folder / "kept").value(), "kept");
  CHECK(remove_tree(folder / "tree").has_value());
  CHECK(remove_tree(folder / "absent/tree").has_value());

  REQUIRE_EQ(symlink("kept", (folder / "link").c_str()), 0);
  CHECK(remove_tree(folder / "link").has_value());
  CHECK(exists(folder / "kept"));
}

TEST_CASE("a path without a name is never removed") {
  for (const char* path : {"", "/", "//", ".", "..", "/tmp/.."}) {
    CHECK_EQ(remove_tree(path).error().code, Code::Invalid);
  }
}

TEST_CASE("a tree of many names and one deeper than any path is removed with few descriptors") {
  ScratchFolder folder;
  REQUIRE(make_folders(folder / "tree").has_value());
  for (int i = 0; i < 5000; ++i) {
    close(open((folder / ("tree/" + std::to_string(i))).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  }
  Fd deep(open((folder / "tree").c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  for (int i = 0; i < 3000; ++i) {
    REQUIRE_EQ(mkdirat(deep.get(), "d", 0700), 0);
    deep = Fd(openat(deep.get(), "d", O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  }
  deep.reset();
  size_t before = open_descriptors();
  CHECK(remove_tree(folder / "tree").has_value());
  CHECK_EQ(open_descriptors(), before);
  CHECK_FALSE(exists(folder / "tree"));
}

TEST_CASE("a mount inside a tree is not entered, not even a bind mount") {
  ScratchFolder folder;
  REQUIRE(make_folders(folder / "tree/mounted").has_value());
  REQUIRE(make_folders(folder / "elsewhere").has_value());
  put(folder / "elsewhere/precious", "x");
  int child = fork();
  if (child == 0) {
    // In mounts of its own, gone with the process.
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, "") == 0 &&
                   mount((folder / "elsewhere").c_str(), (folder / "tree/mounted").c_str(), "", MS_BIND, "") == 0;
    if (!mounted) _exit(77);
    Status tree = remove_tree(folder / "tree");
    Status itself = remove_tree(folder / "tree/mounted");
    bool refused = !tree.has_value() && tree.error().code == Code::Unavailable && !itself.has_value() &&
                   itself.error().code == Code::Unavailable;
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE_EQ(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 77) {
    MESSAGE("not allowed to mount: not tested");
  } else {
    CHECK_EQ(status, 0);
  }
  CHECK(exists(folder / "elsewhere/precious"));
}

TEST_CASE("a lock has one holder at a time") {
  ScratchFolder folder;
  {
    Result<Fd> first = lock_file(folder / "lock");
    REQUIRE(first.has_value());
    CHECK_EQ(lock_file(folder / "lock").error().code, Code::Conflict);
  }
  CHECK(lock_file(folder / "lock").has_value());
}

TEST_CASE("descriptors are closed by their owner, once") {
  size_t before = open_descriptors();
  {
    Fd first(open("/dev/null", O_RDONLY | O_CLOEXEC));
    Fd second(open("/dev/null", O_RDONLY | O_CLOEXEC));
    first = std::move(second);
    CHECK_FALSE(second.is_open());
    CHECK(first.is_open());
    first = std::move(*&first);
    CHECK(first.is_open());
    close(Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)).release());
  }
  CHECK_EQ(open_descriptors(), before);
}

TEST_CASE("the machine's clock goes on and its randomness differs") {
  SystemClock clock;
  uint64_t before = clock.monotonic_ms();
  CHECK_GE(clock.monotonic_ms(), before);
  CHECK_GT(clock.wall_ms(), 1'600'000'000'000u);
  SystemRandom random;
  CHECK_NE(random.bytes(32), random.bytes(32));
  for (int i = 0; i < 1000; ++i) CHECK_LT(random.below(3), 3u);
}
