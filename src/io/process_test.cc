#include "io/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "io/clock.h"
#include "io/scratch_folder.h"

using namespace mcloud;
using namespace mcloud::io;

namespace {

Command shell(const std::string& script) {
  Command command;
  command.arguments = {"sh", "-c", script};
  return command;
}

// With a bound, so that a defect fails the test instead of hanging it.
template <typename Condition>
bool eventually(Condition condition) {
  uint64_t deadline_ms = SystemClock().monotonic_ms() + 10'000;
  while (!condition()) {
    if (SystemClock().monotonic_ms() > deadline_ms) return false;
    std::this_thread::yield();
  }
  return true;
}

bool is_alive(int pid) { return kill(pid, 0) == 0; }

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE_EQ(pipe2(ends, O_CLOEXEC), 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  // To the end of all writers.
  std::string read_all() {
    writer.reset();
    std::string out;
    char buffer[4096];
    for (ssize_t got; (got = read(reader.get(), buffer, sizeof buffer)) > 0;) {
      out.append(buffer, static_cast<size_t>(got));
    }
    return out;
  }
  Fd reader;
  Fd writer;
};

}  // namespace

TEST_CASE("a program runs with its input, output, errors and exit code") {
  Command command = shell("cat; echo problem >&2; exit 3");
  command.input = "input";
  Outcome outcome = run(command).value();
  CHECK_EQ(outcome.exit_code, 3);
  CHECK_EQ(outcome.output, "input");
  CHECK_EQ(outcome.errors, "problem\n");
}

TEST_CASE("input larger than any pipe comes through") {
  Command command;
  command.arguments = {"wc", "-c"};
  command.input = std::string(5'000'000, 'x');
  CHECK_EQ(run(command).value().output, "5000000\n");
  command.arguments = {"true"};
  CHECK_EQ(run(command).value().exit_code, 0);
}

TEST_CASE("both outputs are read at the same time and bounded") {
  Limits limits;
  limits.output_bytes_max = 1000;
  Outcome outcome = run(shell("head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"), limits).value();
  CHECK_EQ(outcome.exit_code, 0);
  CHECK_EQ(outcome.output.size(), 1000u);
  CHECK_EQ(outcome.errors.size(), 1000u);
}

TEST_CASE("what a program wrote right before its end is not lost") {
  for (int i = 0; i < 50; ++i) {
    CHECK_EQ(run(shell("printf %060000d 1")).value().output.size(), 60000u);
  }
}

TEST_CASE("a program that does not exist is an error that names it") {
  Command command;
  command.arguments = {"no-such-program"};
  Error error = run(command).error();
  CHECK_EQ(error.code, Code::NotFound);
  CHECK_EQ(error.message, "start no-such-program: cannot execute: No such file or directory");
  command.arguments = {"/etc/passwd"};
  CHECK_EQ(run(command).error().code, Code::Denied);
  command.arguments = {};
  CHECK_EQ(run(command).error().code, Code::Invalid);
  command = shell("true");
  command.working_folder = "/no/such/folder";
  CHECK_EQ(run(command).error().message, "start sh: cannot enter its working folder: No such file or directory");
}

TEST_CASE("past the deadline the whole group dies") {
  ScratchFolder folder;
  Limits limits;
  limits.timeout_ms = 300;
  uint64_t before = SystemClock().monotonic_ms();
  Error error = run(shell("sleep 1000 & echo $! > " + (folder / "pid") + "; wait"), limits).error();
  CHECK_EQ(error.code, Code::TimedOut);
  CHECK_EQ(error.message, "sh: did not end within 300 ms");
  CHECK_LT(SystemClock().monotonic_ms() - before, 5000u);
  int grandchild = std::stoi(read_file(folder / "pid").value());
  CHECK(eventually([&] {
    // It may stay a zombie for as long as its new parent pleases.
    Result<Bytes> state = read_file("/proc/" + std::to_string(grandchild) + "/stat");
    return !state.has_value() || state->find(") Z ") != std::string::npos;
  }));
}

TEST_CASE("a daemon that keeps the output open does not keep us") {
  ScratchFolder folder;
  uint64_t before = SystemClock().monotonic_ms();
  Outcome outcome = run(shell("sleep 1000 & echo $!")).value();
  CHECK_LT(SystemClock().monotonic_ms() - before, 5000u);
  kill(std::stoi(outcome.output), SIGKILL);
}

TEST_CASE("death by a signal is 128 and its number") { CHECK_EQ(run(shell("kill -9 $$")).value().exit_code, 137); }

TEST_CASE("a checked run says what the program said last") {
  CHECK_EQ(run_checked(shell("echo first >&2; echo 'second  ' >&2; exit 1")).error().message, "sh: second");
  CHECK_EQ(run_checked(shell("echo said; exit 1")).error().message, "sh: said");
  CHECK_EQ(run_checked(shell("exit 4")).error().message, "sh: exit code 4");
  CHECK_EQ(run_checked(shell("echo fine")).value().output, "fine\n");
}

TEST_CASE("variables are added to ours or replace them") {
  REQUIRE_EQ(setenv("MCLOUD_IO_TEST", "ours", 1), 0);
  Command command = shell("echo $MCLOUD_IO_TEST $ADDED");
  CHECK_EQ(run(command).value().output, "ours\n");
  command.environment = {"ADDED=a", "MCLOUD_IO_TEST=replaced"};
  CHECK_EQ(run(command).value().output, "replaced a\n");
  command.environment = {"PATH=/no/such/folder"};
  CHECK_EQ(run(command).error().code, Code::NotFound);
}

TEST_CASE("a child gets the descriptors it is given, under its numbers, and no others") {
  Pipe first;
  Pipe second;
  Fd leaked(open("/dev/null", O_RDONLY));  // without O_CLOEXEC on purpose
  Command command = shell("echo one >&3; echo two >&4; ls /proc/self/fd | tr '\\n' ' '");
  // Each under the number of the other, which may be taken.
  command.descriptors = {{first.writer.get(), 3}, {second.writer.get(), 4}};
  Outcome outcome = run(command).value();
  CHECK_EQ(outcome.output, "0 1 2 3 4 5 ");  // 5 is what ls lists with
  CHECK_EQ(first.read_all(), "one\n");
  CHECK_EQ(second.read_all(), "two\n");
}

TEST_CASE("descriptors may trade their numbers") {
  Pipe first;
  Pipe second;
  Command command;
  std::string low = std::to_string(first.writer.get());
  std::string high = std::to_string(second.writer.get());
  command.arguments = {"bash", "-c", "echo low >&" + low + "; echo high >&" + high};
  command.descriptors = {{first.writer.get(), second.writer.get()}, {second.writer.get(), first.writer.get()}};
  CHECK_EQ(run(command).value().exit_code, 0);
  CHECK_EQ(first.read_all(), "high\n");
  CHECK_EQ(second.read_all(), "low\n");
}

TEST_CASE("a child starts with default signals and nothing blocked, whatever ours are") {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  auto previous = ::signal(SIGPIPE, SIG_IGN);
  std::string status = run(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status")).value().output;
  ::signal(SIGPIPE, previous);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  CHECK_EQ(status, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("a function runs in the child before the program") {
  Command command = shell("umask");
  command.in_child = [] { umask(0123); };
  CHECK_EQ(run(command).value().output, "0123\n");
  command.in_child = [] { _exit(42); };
  CHECK_EQ(run(command).value().exit_code, 42);
}

TEST_CASE("an owned child dies with its owner") {
  int pid;
  {
    auto child = Child::start(shell("exec sleep 1000"), {}).value();
    pid = child->pid();
    CHECK(child->is_running());
    CHECK_FALSE(child->wait(0).value().has_value());
    CHECK_FALSE(child->wait(20).value().has_value());
  }
  CHECK_FALSE(is_alive(pid));
}

TEST_CASE("a child that ended says how, again and again") {
  Pipe pipe;
  Child::Streams streams;
  streams.output = pipe.writer.get();
  auto child = Child::start(shell("echo hello; exit 7"), streams).value();
  CHECK_EQ(pipe.read_all(), "hello\n");
  CHECK_EQ(child->wait(10'000).value(), 7);
  CHECK_EQ(child->wait(0).value(), 7);
  CHECK_FALSE(child->is_running());
  child->signal(SIGTERM);
}

TEST_CASE("stopping asks first and kills after the grace") {
  Pipe ready;
  Child::Streams streams;
  streams.output = ready.writer.get();
  SUBCASE("a polite child ends itself") {
    auto child = Child::start(shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"), streams).value();
    char byte;
    REQUIRE_EQ(read(ready.reader.get(), &byte, 1), 1);
    child->stop(10'000);
    CHECK_EQ(child->wait(0).value(), 5);
  }
  SUBCASE("a stubborn one is killed") {
    auto child = Child::start(shell("trap '' TERM; echo ready; while :; do sleep 0.01; done"), streams).value();
    char byte;
    REQUIRE_EQ(read(ready.reader.get(), &byte, 1), 1);
    child->stop(50);
    CHECK_EQ(child->wait(0).value(), 137);
  }
}

TEST_CASE("an abandoned child lives on") {
  int pid;
  {
    Child::Streams streams;
    streams.die_with_parent = false;
    streams.new_session = true;
    auto child = Child::start(shell("exec sleep 1000"), streams).value();
    pid = child->pid();
    child->abandon();
  }
  CHECK(is_alive(pid));
  CHECK_EQ(getsid(pid), pid);
  kill(pid, SIGKILL);
  CHECK_EQ(waitpid(pid, nullptr, 0), pid);
}

TEST_CASE("a child dies when the process that started it is killed") {
  Pipe pids;
  int parent = fork();
  if (parent == 0) {
    auto child = Child::start(shell("exec sleep 1000"), {});
    int pid = child.has_value() ? (*child)->pid() : 0;
    (void)!write(pids.writer.get(), &pid, sizeof pid);
    pause();
    _exit(0);
  }
  int grandchild = 0;
  REQUIRE_EQ(read(pids.reader.get(), &grandchild, sizeof grandchild), sizeof grandchild);
  REQUIRE_GT(grandchild, 0);
  kill(parent, SIGKILL);
  REQUIRE_EQ(waitpid(parent, nullptr, 0), parent);
  CHECK(eventually([&] {
    Result<Bytes> state = read_file("/proc/" + std::to_string(grandchild) + "/stat");
    return !state.has_value() || state->find(") Z ") != std::string::npos;
  }));
}

TEST_CASE("many programs at once from many threads leave no descriptor behind") {
  size_t before = list_folder("/proc/self/fd").value().size();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([] {
        for (int k = 0; k < 20; ++k) {
          if (run(shell("echo x")).value().output != "x\n") std::abort();
        }
      });
    }
  }
  CHECK_EQ(list_folder("/proc/self/fd").value().size(), before);
}
