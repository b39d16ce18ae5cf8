// The life of one container replica on this node: runs, is healthy, ends, waits, runs again, is given up.
// Pure: it is told what happened and when, and says what to do next and what to report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mcloud/ledger.pb.h"
#include "node/desired.h"
#include "runtime/health.h"
#include "runtime/restart.h"

namespace mcloud::node {

// Errors after which trying again on this node cannot help.
bool is_final(Code code);

// At most 200 bytes (the ledger's bound) of printable ASCII.
std::string bounded_message(std::string_view text);

// Times are milliseconds of one monotonic clock.
class Life {
 public:
  // Steps before the process runs may fail so often in a row (not at once: with growing pauses).
  static constexpr uint32_t kStepFailuresMax = 5;

  Life(const ContainerTask& task, uint32_t restarts);

  const Hash& spec() const { return spec_; }

  // Another epoch, version or policy of the same spec. A new epoch is a new try for what was given up.
  void update(const ContainerTask& task);

  void started(uint64_t now_ms);
  // Found running: since `running_ms` already.
  void adopted(uint64_t now_ms, uint64_t running_ms);
  // Ended by itself. No exit code: nobody saw it.
  struct End {
    std::optional<int> exit_code;
    bool out_of_memory = false;
    uint64_t ran_ms = 0;
    std::string note;  // of ContainerStatus
  };
  void ended(uint64_t now_ms, const End& end);
  // We stopped it (isolation, replacement).
  void stopped();
  // A step on the way to running failed; `doing` says which.
  void failed(uint64_t now_ms, std::string_view doing, const Error& error);
  // Whatever happens, not on this node (until another epoch comes).
  void give_up(std::string_view message);
  void probed(uint64_t now_ms, const Status& outcome);

  bool is_running() const { return phase_ == Phase::Running; }
  bool is_given_up() const { return phase_ == Phase::GivenUp; }
  // Not to be started before this moment; UINT64_MAX = never. 0 = may start.
  uint64_t held_until_ms() const;
  // When to probe; nullopt while it does not run or has no health check.
  std::optional<uint64_t> next_probe_ms() const;
  // Runs, and is healthy if it says how to tell.
  bool is_ready() const;
  // May get traffic: ready, or ready before its check began anew (the agent restarted, the check was changed).
  bool may_serve() const;
  uint32_t restarts() const { return restart_count_; }
  uint32_t restarts_after_start() const { return restart_count_ + (has_run_ ? 1 : 0); }

  pb::ReplicaState state() const;
  const std::string& message() const { return message_; }

 private:
  enum class Phase { Waiting, Running, Ended, Completed, GivenUp };

  void set_policies(const ContainerTask& task);

  Hash spec_;
  uint64_t epoch_ = 0;
  Phase phase_ = Phase::Waiting;
  std::string message_;
  uint64_t hold_until_ms_ = 0;
  uint64_t started_ms_ = 0;
  uint32_t restart_count_ = 0;
  uint32_t step_failures_ = 0;
  bool has_run_ = false;
  bool is_trusted_ = false;  // to be ready until its health check says something
  std::optional<runtime::HealthPolicy> health_policy_;
  std::optional<runtime::Health> health_;
  runtime::RestartPolicy restart_policy_;
  runtime::Restarts restarts_;
};

}  // namespace mcloud::node
