// Other programs: run to the end with a deadline and bounded output, or start and own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace mcloud::io {

struct Command {
  std::vector<std::string> arguments;                // [0] is the program, found through the child's PATH
  std::vector<std::string> environment;              // "A=b", added to ours, or in place of one
  std::string input;                                 // standard input
  std::string working_folder;                        // "" = ours
  std::vector<std::pair<int, int>> descriptors;      // ours -> the child's number; everything else is closed
  // After fork, before exec, when 0, 1 and 2 are set, ours are still open and the working folder is still
  // ours; async-signal-safe calls only, and it must not wait for the caller. _exit() in it ends the child.
  std::function<void()> in_child;
};

struct Outcome {
  int exit_code = 0;   // 128 + signal when killed by one
  std::string output;  // standard output, at most Limits::output_bytes_max
  std::string errors;  // standard error, the same bound
};

struct Limits {
  uint64_t timeout_ms = 30'000;
  size_t output_bytes_max = 1 << 20;
};

// Runs to its end, in a process group of its own. TimedOut kills that group first. A non-zero exit is an
// Outcome. What exceeds the bound is read and dropped. NotFound when there is no such program.
Result<Outcome> run(const Command& command, const Limits& limits = {});
// The same, and a non-zero exit is an Error "NAME: last line of its errors".
Result<Outcome> run_checked(const Command& command, const Limits& limits = {});

// A child we own. Destroying it kills (SIGKILL) and reaps it. Not thread-safe.
class Child {
 public:
  struct Streams {
    int input = -1;   // descriptors given to the child as 0, 1, 2; -1 = /dev/null
    int output = -1;
    int errors = -1;
    bool die_with_parent = true;  // PR_SET_PDEATHSIG SIGKILL (the starting thread must live on)
    bool new_session = false;
  };
  // Returns when the program has been exec'd (at most 10 s), with the errno of exec when it could not.
  // Command::input is not used.
  static Result<std::unique_ptr<Child>> start(const Command& command, const Streams& streams);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();
  int pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  bool is_running();
  // Waits at most `timeout_ms`; nullopt when still running then.
  Result<std::optional<int>> wait(uint64_t timeout_ms);
  void signal(int number);
  // SIGTERM, then SIGKILL after `grace_ms`; reaps.
  void stop(uint64_t grace_ms);
  // Lets it live on without us.
  void abandon();

 private:
  Child(int pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  int pid_;
  Fd pidfd_;
  std::optional<int> exit_code_;
  bool abandoned_ = false;
};

}  // namespace mcloud::io
