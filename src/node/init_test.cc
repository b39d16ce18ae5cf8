// The supervisor with real processes: it runs in a child of the test, which watches what it does.
#include "node/init.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "base/log.h"
#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

template <typename Predicate>
bool soon(Predicate&& predicate) {
  for (int i = 0; i < 1'000; ++i) {
    if (predicate()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// Lines that programs appended to a file.
size_t lines(const std::string& path) {
  auto text = io::read_file(path);
  return text.has_value() ? static_cast<size_t>(std::count(text->begin(), text->end(), '\n')) : 0;
}
int number_in(const std::string& path) {
  auto text = io::read_file(path);
  return text.has_value() ? std::atoi(text->c_str()) : 0;
}
bool is_alive(int pid) {
  auto state = io::read_file("/proc/" + std::to_string(pid) + "/stat");
  return state.has_value() && state->find(") Z ") == std::string::npos;
}

SupervisedProgram shell(const std::string& name, const std::string& script) { return {name, {"/bin/sh", "-c", script}, ""}; }

class Supervised {
 public:
  explicit Supervised(std::vector<SupervisedProgram> programs, uint64_t grace_ms = 500) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    log::set_level(log::Level::Error);
    Supervisor supervisor(std::move(programs));
    Status ended = supervisor.run(grace_ms);
    ::_exit(ended.has_value() ? 0 : 1);
  }
  ~Supervised() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int pid() const { return pid_; }
  // Its exit code, -1 when it does not end.
  int wait_end() {
    int status = 0;
    bool ended = soon([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; });
    if (!ended) return -1;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int pid_ = 0;
};

}  // namespace

TEST_CASE("a program with a file runs while the file is there, and again when it comes back") {
  testing::TemporaryFolder folder;
  std::string wanted = folder / "wanted", pids = folder / "pids";
  SupervisedProgram program = shell("gateway", "echo $$ >> " + pids + "; exec sleep 1000");
  program.while_file = wanted;
  Supervised supervised({shell("other", "echo here >> " + folder.path() + "/other; exec sleep 1000"), program});
  REQUIRE(soon([&] { return lines(folder / "other") == 1; }));
  CHECK(lines(pids) == 0);
  REQUIRE(io::write_file(wanted, "x", io::Durability::None).has_value());
  REQUIRE(soon([&] { return lines(pids) == 1; }));
  int first = number_in(pids);
  REQUIRE(io::write_file(wanted, "y", io::Durability::None).has_value());  // another content is the program's own affair
  REQUIRE(io::remove_tree(wanted).has_value());
  CHECK(soon([&] { return !is_alive(first); }));
  CHECK(lines(pids) == 1);
  REQUIRE(io::write_file(wanted, "z", io::Durability::None).has_value());
  CHECK(soon([&] { return lines(pids) == 2; }));
  CHECK(lines(folder / "other") == 1);
}

TEST_CASE("pauses between restarts double up to a bound and are forgiven after a good run") {
  RestartPause pause;
  CHECK(pause.after_end(0) == 100);
  CHECK(pause.after_end(0) == 200);
  for (int i = 0; i < 20; ++i) pause.after_end(0);
  CHECK(pause.after_end(0) == RestartPause::kMaxMs);
  CHECK(pause.after_end(RestartPause::kForgivenAfterMs) == 100);
}

TEST_CASE("what ends is started again, what runs is left alone") {
  testing::TemporaryFolder folder;
  std::string quick = folder / "quick", steady = folder / "steady";
  Supervised supervised({shell("quick", "echo >> " + quick), shell("steady", "echo >> " + steady + "; exec sleep 1000")});
  CHECK(soon([&] { return lines(quick) >= 3; }));
  CHECK(lines(steady) == 1);
}

TEST_CASE("a program that is not there is tried again and harms no other") {
  testing::TemporaryFolder folder;
  std::string other = folder / "other";
  Supervised supervised({{"absent", {"/no/such/program"}}, shell("other", "echo >> " + other + "; exec sleep 1000")});
  CHECK(soon([&] { return lines(other) == 1; }));
  CHECK(is_alive(supervised.pid()));
}

TEST_CASE("orphans are reaped") {
  testing::TemporaryFolder folder;
  std::string file = folder / "orphan";
  // The shell in the middle ends at once; its child becomes the supervisor's.
  Supervised supervised({shell("parent", "(sh -c 'echo $$ > " + file + "; sleep 0.2' &) ; exec sleep 1000")});
  REQUIRE(soon([&] { return number_in(file) > 0; }));
  int orphan = number_in(file);
  CHECK(soon([&] { return !io::exists("/proc/" + std::to_string(orphan)); }));
}

TEST_CASE("SIGTERM ends all programs, those that do not listen by force") {
  testing::TemporaryFolder folder;
  std::string polite = folder / "polite", deaf = folder / "deaf", said = folder / "said";
  Supervised supervised({shell("polite", "trap 'echo bye > " + said + "; exit 0' TERM; echo $$ > " + polite + "; while :; do sleep 0.05; done"),
                         shell("deaf", "trap '' TERM; echo $$ > " + deaf + "; while :; do sleep 0.05; done")});
  REQUIRE(soon([&] { return number_in(polite) > 0 && number_in(deaf) > 0; }));
  int polite_pid = number_in(polite), deaf_pid = number_in(deaf);
  ::kill(supervised.pid(), SIGTERM);
  CHECK(supervised.wait_end() == 0);
  CHECK(io::exists(said));
  CHECK(!is_alive(polite_pid));
  CHECK(!is_alive(deaf_pid));
}
