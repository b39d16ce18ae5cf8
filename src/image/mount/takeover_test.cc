#include <signal.h>
#include <unistd.h>

#include "image/mount/test_reference.h"
#include "io/clock.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

// A shell script that runs while the test goes on.
class Running {
 public:
  Running(const std::string& script, const std::string& output) {
    io::Command command;
    command.arguments = {"sh", "-c", "exec > " + output + " 2>&1; " + script};
    Result<std::unique_ptr<io::Child>> child = io::Child::start(command, {});
    REQUIRE(child.has_value());
    child_ = std::move(*child);
  }
  bool is_running() { return child_->is_running(); }
  int pid() const { return child_->pid(); }
  // Its exit code; -1 when it hangs.
  int finish(uint64_t timeout_ms) {
    Result<std::optional<int>> code = child_->wait(timeout_ms);
    return code.has_value() && code->has_value() ? **code : -1;
  }

 private:
  std::unique_ptr<io::Child> child_;
};

// Kills a process of the mount and waits until another serves in its place.
void kill_server(MountWorld& world) {
  MountFigures before = world.figures();
  REQUIRE_EQ(::kill(before.process, SIGKILL), 0);
  while (world.figures().process == before.process) {}
}

// Whether nothing of it is open any more. The kernel tells of what was closed when it gets to it: for 5 s that may come yet.
bool detaches(MountWorld& world, const std::string& digest) {
  io::SystemClock clock;
  for (uint64_t deadline_ms = clock.monotonic_ms() + 5'000; clock.monotonic_ms() < deadline_ms; ::usleep(5'000)) {
    Status detached = world.mount().detach(digest);
    if (detached.has_value() || detached.error().code != Code::Conflict) return detached.has_value();
  }
  return false;
}

// As on a kernel that sends no request again.
void be_older(MountWorld& world) {
  std::string program = world.folder / "older";
  std::string script = "#!/bin/sh\nexec " + test_program() + " \"$@\" --no-resend true\n";
  REQUIRE(io::write_file(program, script, io::Durability::None, 0755).has_value());
  world.options().program = program;
}

void make_large(const std::string& folder, int files) {
  REQUIRE_EQ(shell("cd " + folder + "; i=0; while [ $i -lt " + std::to_string(files) +
                   " ]; do head -c 1300000 /dev/urandom > file-$i; i=$((i+1)); done"), "");
}

}  // namespace

TEST_CASE_MOUNTS("readers do not notice that the serving process is killed again and again") {
  MountWorld world;
  make_large(world.reference(), 40);
  std::string root = world.attach(world.pack(world.reference()));
  std::string expected = content(world.reference());
  std::string out = world.folder / "out";
  Running reader("cd " + root + " && for i in 1 2 3; do tar cf - . | tar xf - --to-stdout | sha256sum; done; find . -type f -print0 | sort -z | xargs -0 sha256sum > " + out + ".sums",
                 out);
  int kills = 0;
  while (reader.is_running() && kills < 8) {
    kill_server(world);
    ++kills;
  }
  CHECK_EQ(reader.finish(60'000), 0);
  CHECK(kills >= 5);
  CHECK_EQ(difference(io::read_file(out + ".sums").value_or(""), expected), "");
  std::string tars = io::read_file(out).value_or("");
  CHECK_EQ(shell("cut -c 1-64 " + out + " | sort -u | wc -l"), "1\n");
  CHECK_EQ(world.figures().restarts, static_cast<uint64_t>(kills));
  CHECK_EQ(difference(content(root), expected), "");
}

TEST_CASE_MOUNTS("a serving process that lives and does not go on is replaced, and its readers go on") {
  MountWorld world;
  world.options().stuck_timeout_ms = 2'000;
  make_large(world.reference(), 8);
  std::string root = world.attach(world.pack(world.reference()));
  int stuck = world.figures().process;
  REQUIRE_EQ(::kill(stuck, SIGSTOP), 0);
  std::string out = world.folder / "out";
  Running reader("cd " + root + " && sha256sum *", out);
  CHECK_EQ(reader.finish(60'000), 0);
  CHECK_NE(world.figures().process, stuck);
  CHECK_EQ(io::read_file(out).value_or(""), shell("cd " + world.reference() + "; sha256sum *"));
}

TEST_CASE_MOUNTS("a kernel that sends no request again is answered from what was written down") {
  MountWorld world;
  be_older(world);
  make_large(world.reference(), 40);
  std::string root = world.attach(world.pack(world.reference()));
  std::string out = world.folder / "out";
  Running reader("cd " + root + " && for i in 1 2 3 4 5 6; do find . -type f -print0 | sort -z | xargs -0 -P 3 -n 4 sha256sum | sort; tar cf - . | wc -c; done", out);
  int kills = 0;
  while (reader.is_running() && kills < 8) {
    kill_server(world);
    ++kills;
  }
  CHECK_EQ(reader.finish(60'000), 0);
  CHECK(kills >= 3);
  CHECK_EQ(shell("sort -u " + out + " | wc -l"), "41\n");
  CHECK_EQ(difference(shell("grep file- " + out + " | sort -u -k 2"), shell("cd " + world.reference() + "; sha256sum ./* | sort -k 2")), "");
  CHECK(detaches(world, world.figures().images.front().digest));
}

TEST_CASE_MOUNTS("random reads of open files go on through deaths of the serving process") {
  MountWorld world;
  make_large(world.reference(), 6);
  std::string root = world.attach(world.pack(world.reference()));
  std::string out = world.folder / "out";
  // Half of the files are whole when they are opened, the others come while they are read.
  REQUIRE_EQ(shell("cat " + root + "/file-[0-2] > /dev/null"), "");
  std::string script = "import os,random,time,sys\n"
                       "root,same=sys.argv[1:]\n"
                       "names=sorted(os.listdir(root)); files=[os.open(root+'/'+n,os.O_RDONLY) for n in names]\n"
                       "truth=[open(same+'/'+n,'rb').read() for n in names]; end=time.time()+4\n"
                       "while time.time()<end:\n"
                       "  i=random.randrange(len(files)); at=random.randrange(1300000); n=random.randrange(1,70000)\n"
                       "  if random.random()<.05:\n"
                       "    os.close(files[i]); files[i]=os.open(root+'/'+names[i],os.O_RDONLY)\n"
                       "  os.posix_fadvise(files[i],0,0,os.POSIX_FADV_DONTNEED)\n"
                       "  assert os.pread(files[i],n,at)==truth[i][at:at+n]\n";
  REQUIRE(io::write_file(world.folder / "reader.py", script, io::Durability::None).has_value());
  Running reader("exec python3 " + (world.folder / "reader.py") + " " + root + " " + world.reference(), out);
  int kills = 0;
  while (reader.is_running() && kills < 6) {
    kill_server(world);
    ++kills;
  }
  CHECK_EQ(reader.finish(30'000), 0);
  CHECK_EQ(io::read_file(out).value_or("?"), "");
  CHECK(kills >= 3);
  // All are closed: nothing is taken for open.
  std::string digest = world.figures().images.front().digest;
  CHECK(detaches(world, digest));
}

TEST_CASE_MOUNTS("when the keeper dies the server starts another, which keeps") {
  MountWorld world;
  make_large(world.reference(), 3);
  std::string root = world.attach(world.pack(world.reference()));
  for (int round = 0; round < 3; ++round) {
    MountFigures before = world.figures();
    REQUIRE_EQ(::kill(before.keeper, SIGKILL), 0);
    while (world.figures().keeper == before.keeper) {}
    CHECK_EQ(world.figures().process, before.process);
    kill_server(world);
    CHECK_EQ(difference(content(root), content(world.reference())), "");
  }
  CHECK_EQ(world.figures().restarts, 6);
}

TEST_CASE_MOUNTS("a reader that waits for a store goes on in the next process") {
  for (bool is_older : {false, true}) {
    MountWorld world;
    if (is_older) be_older(world);
    world.options().block_timeout_ms = 20'000;
    make_large(world.reference(), 1);
    std::string root = world.attach(world.pack(world.reference()));
    REQUIRE_EQ(shell("mv " + (world.folder / "blocks") + " " + (world.folder / "away")), "");
    Running reader("exec cmp " + root + "/file-0 " + world.reference() + "/file-0", world.folder / "out");
    while (world.figures().reads == 0) {}
    kill_server(world);
    while (world.figures().reads == 0) {}  // it was sent again
    CHECK(reader.is_running());
    REQUIRE_EQ(shell("mv " + (world.folder / "away") + " " + (world.folder / "blocks")), "");
    CHECK_EQ(reader.finish(30'000), 0);
  }
}

TEST_CASE_MOUNTS("an agent that comes back joins what serves, and starts anew what is dead") {
  MountWorld world;
  make_large(world.reference(), 1);
  Attachment image = world.pack(world.reference());
  std::string root = world.attach(image);
  MountFigures before = world.figures();
  world.reopen();
  CHECK_EQ(world.figures().process, before.process);
  CHECK_EQ(world.figures().images.size(), 1);
  // Both die: the mount is dead, a new one takes its place.
  REQUIRE_EQ(::kill(before.keeper, SIGSTOP), 0);
  REQUIRE_EQ(::kill(before.process, SIGKILL), 0);
  REQUIRE_EQ(::kill(before.keeper, SIGKILL), 0);
  world.reopen();
  CHECK(world.figures().images.empty());
  CHECK_EQ(world.attach(image), root);
  CHECK_EQ(difference(content(root), content(world.reference())), "");
}
