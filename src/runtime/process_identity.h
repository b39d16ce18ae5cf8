// Inside this room: a process named by its id and its start time, so that a number used again by another
// process is never taken for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/file.h"

namespace mcloud::runtime {

struct ProcessIdentity {
  int pid = 0;
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat (proc(5))
  bool operator==(const ProcessIdentity&) const = default;
};

// NotFound when there is no such process.
Result<ProcessIdentity> identify(int pid);
// False also for one that ended and was not reaped.
bool is_alive(const ProcessIdentity& process);
// A pidfd of exactly this process. NotFound when it ended.
Result<io::Fd> open_process(const ProcessIdentity& process);
// NotFound when it ended.
Status signal_process(const ProcessIdentity& process, int number);
// True when it ended within the time.
Result<bool> wait_for_end(const ProcessIdentity& process, uint64_t timeout_ms);

// "PID START"
std::string format_identity(const ProcessIdentity& process);
Result<ProcessIdentity> parse_identity(std::string_view text);

}  // namespace mcloud::runtime
