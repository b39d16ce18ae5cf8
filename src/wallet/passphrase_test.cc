#include "wallet/passphrase.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "io/file.h"

using namespace mcloud;
using namespace mcloud::wallet;

namespace {

constexpr int kEndedBySignal = 128;

struct Played {
  std::string screen;  // all that the terminal showed
  int exit_code = -1;
};

// `body` in a child whose only terminal is ours; each answer is typed once its prompt (it ends in ": ") is on the
// screen.
Played play(const std::vector<std::string>& answers, const std::function<int()>& body) {
  int terminal = -1;
  pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  REQUIRE_GE(child, 0);
  if (child == 0) {
    unsetenv("MCLOUD_PASSPHRASE");
    _exit(body());
  }
  io::Fd owner(terminal);
  Played played;
  size_t answered = 0, looked = 0;
  for (;;) {
    pollfd waited{terminal, POLLIN, 0};
    char buffer[256];
    if (poll(&waited, 1, 10'000) <= 0) break;
    ssize_t got = read(terminal, buffer, sizeof buffer);
    if (got <= 0) break;
    played.screen.append(buffer, static_cast<size_t>(got));
    size_t prompt = played.screen.find(": ", looked);
    if (prompt == std::string::npos || answered == answers.size()) continue;
    looked = prompt + 2;
    REQUIRE_GT(write(terminal, answers[answered].data(), answers[answered].size()), 0);
    answered++;
  }
  int status = 0;
  REQUIRE_EQ(waitpid(child, &status, 0), child);
  played.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : kEndedBySignal;
  return played;
}

int ask_fresh() {
  TerminalPassphrase source;
  Result<std::string> answer = source.fresh("ida");
  if (answer) return 0;
  return answer.error().code == Code::Invalid ? 3 : 4;
}

}  // namespace

TEST_CASE("a passphrase is asked for on the terminal and not shown") {
  Played played = play({"swordfish\n"}, [] {
    TerminalPassphrase source;
    Result<std::string> answer = source.existing("ida");
    return answer && *answer == "swordfish" ? 0 : 1;
  });
  CHECK_EQ(played.exit_code, 0);
  CHECK_NE(played.screen.find("Passphrase of key ida: "), std::string::npos);
  CHECK_EQ(played.screen.find("swordfish"), std::string::npos);
}

TEST_CASE("a new passphrase is asked for twice and must be the same") {
  CHECK_EQ(play({"one\n", "one\n"}, ask_fresh).exit_code, 0);
  CHECK_EQ(play({"one\n", "two\n"}, ask_fresh).exit_code, 3);
  CHECK_EQ(play({"\n"}, ask_fresh).exit_code, 3);
}

TEST_CASE("Ctrl-C ends the question and the program, with the echo back") {
  Played played = play({"on\x03"}, [] {
    (void)ask_fresh();
    return 0;
  });
  CHECK_EQ(played.exit_code, kEndedBySignal);
}

TEST_CASE("the environment answers without a question") {
  setenv("MCLOUD_PASSPHRASE", "from-environment", 1);
  TerminalPassphrase source;
  CHECK_EQ(source.existing("ida").value(), "from-environment");
  CHECK_EQ(source.fresh("ida").value(), "from-environment");
  setenv("MCLOUD_PASSPHRASE", "", 1);
  CHECK_EQ(source.fresh("ida").error().code, Code::Invalid);
  unsetenv("MCLOUD_PASSPHRASE");
}
