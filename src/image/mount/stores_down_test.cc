#include <fcntl.h>
#include <signal.h>

#include "image/mount/test_reference.h"
#include "io/clock.h"

using namespace mcloud;
using namespace mcloud::image;

TEST_CASE_MOUNTS("without stores cached files are served and others give an error at the deadline") {
  MountWorld world;
  world.options().block_timeout_ms = 700;
  REQUIRE_EQ(shell("cd " + world.reference() + "; head -c 3000000 /dev/urandom > cached; head -c 3000000 /dev/urandom > other"), "");
  std::string root = world.attach(world.pack(world.reference()));
  REQUIRE_EQ(shell("cmp " + root + "/cached " + world.reference() + "/cached"), "");
  REQUIRE_EQ(shell("mv " + (world.folder / "blocks") + " " + (world.folder / "away")), "");
  uint64_t begin_ms = io::SystemClock().monotonic_ms();
  std::string said = shell("cat " + root + "/other > /dev/null");
  uint64_t took_ms = io::SystemClock().monotonic_ms() - begin_ms;
  CHECK_MESSAGE(said.find("Input/output error") != std::string::npos, said);
  CHECK(took_ms >= 600);
  CHECK(took_ms < 5'000);
  CHECK_EQ(shell("cmp " + root + "/cached " + world.reference() + "/cached; stat -c %s " + root + "/other"), "3000000\n");
  CHECK(world.figures().images.front().read_errors > 0);
  // Logged, and not once for each.
  std::string log = world.log();
  size_t first = log.find("a reader got an error");
  CHECK(first != std::string::npos);
  // It comes back.
  REQUIRE_EQ(shell("mv " + (world.folder / "away") + " " + (world.folder / "blocks")), "");
  CHECK_EQ(shell("cmp " + root + "/other " + world.reference() + "/other"), "");
}

TEST_CASE_MOUNTS("a process that waits for a dead store can be killed, and the mount stopped") {
  MountWorld world;
  world.options().block_timeout_ms = 60'000;
  REQUIRE_EQ(shell("cd " + world.reference() + "; head -c 3000000 /dev/urandom > file"), "");
  std::string root = world.attach(world.pack(world.reference()));
  REQUIRE_EQ(shell("mv " + (world.folder / "blocks") + " " + (world.folder / "away")), "");
  for (std::string flags : {"", "iflag=direct"}) {
    uint64_t reads = world.figures().reads;
    io::Command command;
    command.arguments = {"sh", "-c", "exec dd if=" + root + "/file of=/dev/null bs=64k status=none " + flags};
    Result<std::unique_ptr<io::Child>> reader = io::Child::start(command, {});
    REQUIRE(reader.has_value());
    while (world.figures().reads == reads) {}
    uint64_t begin_ms = io::SystemClock().monotonic_ms();
    (*reader)->signal(SIGKILL);
    Result<std::optional<int>> ended = (*reader)->wait(10'000);
    REQUIRE(ended.has_value());
    CHECK(ended->has_value());
    CHECK(io::SystemClock().monotonic_ms() - begin_ms < 2'000);
  }
  io::Command command;
  command.arguments = {"cat", root + "/file"};
  Result<std::unique_ptr<io::Child>> reader = io::Child::start(command, {});
  REQUIRE(reader.has_value());
  Status stopped = world.mount().stop();
  CHECK_MESSAGE(stopped.has_value(), stopped.error().message);
  Result<std::optional<int>> ended = (*reader)->wait(5'000);
  CHECK((ended.has_value() && ended->has_value() && **ended != 0));
  world.reopen();
}
