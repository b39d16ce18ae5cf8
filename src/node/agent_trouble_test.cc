// What an agent says of networks that fail again and again.
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "node/test_agent_world.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

// What is logged goes to a file, from informations on.
class CaughtLog {
 public:
  explicit CaughtLog(std::string file) : file_(std::move(file)), before_(::dup(STDERR_FILENO)) {
    io::Fd fd(::open(file_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    REQUIRE(::dup2(fd.get(), STDERR_FILENO) == STDERR_FILENO);
    log::set_level(log::Level::Info);
  }
  ~CaughtLog() {
    log::set_level(log::Level::Error);
    ::dup2(before_.get(), STDERR_FILENO);
  }
  size_t lines_with(const std::string& words) const {
    std::string text = io::read_file(file_).value_or("");
    size_t count = 0;
    for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
    return count;
  }

 private:
  std::string file_;
  io::Fd before_;
};

}  // namespace

TEST_CASE("networks that fail again and again are a line when it begins, when it is another failure, and when it is over") {
  testing::TemporaryFolder folder;
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  CaughtLog log(folder / "log");
  world.machine.break_networks("no link");
  Sample web = world.deploy(kWeb);
  // Twice the contract's network and twice the look after all.
  REQUIRE(soon([&] { return world.machine.network_failures() >= 5; }));
  CHECK(log.lines_with("network failed") == 1);
  CHECK(log.lines_with("tend networks failed") == 1);
  world.machine.break_networks("no bridge");
  REQUIRE(soon([&] { return log.lines_with("reason=\"no bridge\"") == 2; }));
  REQUIRE(soon([&] { return world.machine.network_failures() >= 5; }));
  CHECK(log.lines_with("network failed") == 2);
  CHECK(log.lines_with("tend networks failed") == 2);
  world.machine.break_networks("");
  CHECK(soon([&] { return log.lines_with("network is well again") == 1 && log.lines_with("tend networks is well again") == 1; }));
  world.stop_agent();
}
