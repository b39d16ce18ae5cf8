// kill -9 of a real server process at any moment, many times over one chain.
#include <poll.h>

#include <csignal>
#include <cstdlib>

#include "io/loop.h"
#include "io/process.h"
#include "ledger/engine/test_server.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr const char* kFolderVariable = "MCLOUD_TEST_LEDGER";
constexpr const char* kServerCase = "(child process) a server that is going to be killed";

std::unique_ptr<io::Child> start_server(const std::string& folder) {
  io::Command command;
  command.arguments = {"/proc/self/exe", "--no-skip", std::string("--test-case=") + kServerCase};
  command.environment = {std::string(kFolderVariable) + "=" + folder};
  return must(io::Child::start(command, {}));
}

// Asks until it answers.
void wait_until_ready(Client& client) {
  io::SystemClock clock;
  uint64_t deadline_ms = clock.monotonic_ms() + 30'000;
  while (true) {
    Result<Snapshot> snapshot = client.get({keys::parameters()});
    if (snapshot.has_value()) return;
    REQUIRE_MESSAGE(clock.monotonic_ms() < deadline_ms, snapshot.error().message);
    ::poll(nullptr, 0, 5);
  }
}

}  // namespace

TEST_CASE("(child process) a server that is going to be killed" * doctest::skip()) {
  const char* folder = std::getenv(kFolderVariable);
  if (folder == nullptr) return;
  log::set_level(log::Level::Error);
  Server::Options options;
  options.data_folder = folder;
  options.host = "";
  options.unix_path = std::string(folder) + "/socket";
  auto server = must(Server::start(options));
  must(server->run_until_signal());
}

TEST_CASE("what was acknowledged survives kill -9 at any moment, and no head ever goes back") {
  testing::TemporaryFolder folder;
  testing::SimulatedRandom random(11);
  io::SystemClock clock;
  Trust trust = make_test_ledger(folder.path());
  Client::Options options{{"unix:" + (folder / "socket")}, trust, folder / "client-state", 5'000};
  std::vector<std::string> acknowledged;
  uint64_t head = 0;
  for (int round = 0; round < 12; ++round) {
    auto child = start_server(folder.path());
    auto client = must(Client::open(options, clock));  // refuses anything below what it remembers
    wait_until_ready(*client);
    CHECK(client->head().height >= head);
    for (const std::string& name : acknowledged) {
      REQUIRE(must(client->get({keys::farm(name)})).entries[0].value.has_value());
    }
    {
      io::Pool killer(1, 1);
      uint64_t moment_ms = random.below(80);
      REQUIRE(killer.submit([pid = child->pid(), moment_ms] {
        ::poll(nullptr, 0, static_cast<int>(moment_ms));
        ::kill(pid, SIGKILL);
      }));
      for (int i = 0;; ++i) {
        Result<uint64_t> sequence = client->next_sequence(test_key("ann").public_key());
        if (!sequence.has_value()) break;
        std::string name = "farm-" + std::to_string(round) + "-" + std::to_string(i);
        auto outcomes = client->submit({farm_transaction("ann", name, *sequence)});
        if (!outcomes.has_value()) break;
        if ((*outcomes)[0].result.ok) acknowledged.push_back(name);
      }
      head = client->head().height;
    }
    REQUIRE(must(child->wait(10'000)).has_value());
  }
  CHECK(acknowledged.size() > 10);
}
