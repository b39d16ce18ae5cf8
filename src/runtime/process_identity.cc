#include "runtime/process_identity.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <vector>

#include "io/clock.h"

namespace mcloud::runtime {
namespace {

struct Stat {
  char state = 0;
  uint64_t start_ticks = 0;
};

// The second field is the program's name in brackets and may hold anything: fields are counted behind it.
Result<Stat> read_stat(int pid) {
  Result<Bytes> text = io::read_file("/proc/" + std::to_string(pid) + "/stat", 8192);
  size_t bracket = text.has_value() ? text->rfind(')') : std::string::npos;
  if (pid <= 0 || bracket == std::string::npos) {
    return make_error(Code::NotFound, "process " + std::to_string(pid) + ": is not there");
  }
  std::vector<std::string_view> fields;
  for (std::string_view rest = std::string_view(*text).substr(bracket + 1); !rest.empty();) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    size_t end = std::min(rest.find(' '), rest.size());
    fields.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  Stat out;
  if (fields.size() < 20) return make_error(Code::Internal, "process " + std::to_string(pid) + ": unreadable");
  out.state = fields[0].empty() ? '?' : fields[0][0];
  std::from_chars(fields[19].data(), fields[19].data() + fields[19].size(), out.start_ticks);
  return out;
}

Error has_ended(const ProcessIdentity& process) {
  return make_error(Code::NotFound, "process " + std::to_string(process.pid) + ": has ended");
}

}  // namespace

Result<ProcessIdentity> identify(int pid) { return ProcessIdentity{pid, TRY(read_stat(pid)).start_ticks}; }

bool is_alive(const ProcessIdentity& process) {
  Result<Stat> stat = read_stat(process.pid);
  return stat.has_value() && stat->start_ticks == process.start_ticks && stat->state != 'Z' && stat->state != 'X';
}

Result<io::Fd> open_process(const ProcessIdentity& process) {
  io::Fd fd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!fd.is_open() && errno != ESRCH) return errno_error(errno, "open process");
  // Checked after the open: from here on the descriptor means this process.
  if (!fd.is_open() || !is_alive(process)) return has_ended(process);
  return fd;
}

Status signal_process(const ProcessIdentity& process, int number) {
  io::Fd fd = TRY(open_process(process));
  if (syscall(SYS_pidfd_send_signal, fd.get(), number, nullptr, 0) == 0) return {};
  if (errno == ESRCH) return has_ended(process);
  return errno_error(errno, "signal process " + std::to_string(process.pid));
}

Result<bool> wait_for_end(const ProcessIdentity& process, uint64_t timeout_ms) {
  Result<io::Fd> fd = open_process(process);
  if (!fd.has_value()) {
    if (fd.error().code == Code::NotFound) return true;
    return fd.error();
  }
  io::SystemClock clock;
  uint64_t deadline_ms = clock.monotonic_ms() + std::min<uint64_t>(timeout_ms, INT_MAX);
  while (true) {
    uint64_t now = clock.monotonic_ms();
    pollfd waiting{fd->get(), POLLIN, 0};
    int ready = ::poll(&waiting, 1, static_cast<int>(deadline_ms > now ? deadline_ms - now : 0));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return errno_error(errno, "poll");
    if (ready == 0) return false;
  }
}

std::string format_identity(const ProcessIdentity& process) {
  return std::to_string(process.pid) + " " + std::to_string(process.start_ticks);
}

Result<ProcessIdentity> parse_identity(std::string_view text) {
  ProcessIdentity out;
  const char* end = text.data() + text.size();
  auto [after_pid, error] = std::from_chars(text.data(), end, out.pid);
  if (error == std::errc() && after_pid != end && *after_pid == ' ') {
    auto [last, failed] = std::from_chars(after_pid + 1, end, out.start_ticks);
    if (failed == std::errc() && last == end && out.pid > 0) return out;
  }
  return make_error(Code::Corrupt, "a process record is unreadable");
}

}  // namespace mcloud::runtime
