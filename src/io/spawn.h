// Inside this room only: fork and exec with everything prepared before the fork, because between the two
// only async-signal-safe calls are allowed.
#pragma once

#include <cstdint>

#include "io/process.h"

namespace mcloud::io {

struct SpawnOptions {
  int input = -1;  // descriptors for 0, 1, 2; -1 = /dev/null
  int output = -1;
  int errors = -1;
  bool die_with_parent = true;
  bool new_session = false;
  bool new_process_group = false;
  uint64_t exec_timeout_ms = 10'000;
};

struct Spawned {
  int pid = 0;
  Fd pidfd;
};

// Returns once the program runs. The caller reaps it.
Result<Spawned> spawn(const Command& command, const SpawnOptions& options);

// The moment `timeout_ms` from now on SystemClock's monotonic clock; "for ever" does not wrap around.
uint64_t deadline_in(uint64_t timeout_ms);

// Waits for the end of the process at most until `deadline_ms` (SystemClock); nullopt: still running.
// Reaps; the value is the exit code, or 128 + signal.
Result<std::optional<int>> reap_until(const Fd& pidfd, uint64_t deadline_ms);

}  // namespace mcloud::io
