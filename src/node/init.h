// Pid 1 of a node: starts heartbeat, agent and services, and gateway and tunnel while the agent wants them; restarts what
// ends, reaps orphans (containers' monitors become its children), and ends everything when it is told to. Knows nothing
// about contracts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/config.h"

namespace mcloud::node {

struct SupervisedProgram {
  std::string name;
  std::vector<std::string> command;
  // Absolute; it runs only while this file is there, and is sent SIGTERM when it goes. Its folder must be there. "" = always.
  std::string while_file = {};
};

// How long to wait before a program that ended is started again. Pure.
class RestartPause {
 public:
  static constexpr uint64_t kFirstMs = 100;
  static constexpr uint64_t kMaxMs = 2'000;
  static constexpr uint64_t kForgivenAfterMs = 30'000;  // of running
  uint64_t after_end(uint64_t ran_ms);

 private:
  uint64_t pause_ms_ = 0;
};

// Works as pid 1 and, for tests, as any process (then as child subreaper). One thread that owns SIGCHLD,
// SIGTERM and SIGINT: it blocks them, so call it before anything starts threads.
class Supervisor {
 public:
  explicit Supervisor(std::vector<SupervisedProgram> programs);
  ~Supervisor();  // kills what still runs of its own
  // Until SIGTERM or SIGINT; then SIGTERM to all its programs and, after `grace_ms`, SIGKILL.
  Status run(uint64_t grace_ms = 3'000);

 private:
  struct Program;
  void start(Program& program);
  void reap();
  Result<int> watch_files();
  // Starts what is due, ends what is not wanted; how long until it must look again.
  uint64_t look();
  void end_all(uint64_t grace_ms);
  std::vector<Program> programs_;
};

// `mcloud node init CONFIG`. `self` starts this program's node sub-commands: {"/usr/bin/mcloud", "node"};
// "agent CONFIG" and "heartbeat CONFIG" are appended.
Status run_init(const Config& config, const std::string& config_path, const std::vector<std::string>& self);

}  // namespace mcloud::node
