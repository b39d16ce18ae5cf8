#include "io/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/log.h"
#include "io/clock.h"
#include "io/spawn.h"

namespace mcloud::io {
namespace {

// A process in an uninterruptible wait (a dead disk) does not even die of SIGKILL; we do not hang with it.
constexpr uint64_t kKillTimeoutMs = 5'000;

uint64_t now_ms() { return SystemClock().monotonic_ms(); }

// Standard input as a file in memory: unlike a pipe nobody has to feed it and no reader can end us.
Result<Fd> input_of(const std::string& input) {
  if (input.empty()) return Fd();
  Fd fd(memfd_create("input", MFD_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "memfd_create");
  for (size_t done = 0; done < input.size();) {
    ssize_t written = ::write(fd.get(), input.data() + done, input.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error(errno, "write standard input");
    done += static_cast<size_t>(written);
  }
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return errno_error(errno, "rewind standard input");
  return fd;
}

// The reading end of a child's standard output or error.
class Collector {
 public:
  static Result<Collector> create(size_t bytes_max) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
    Collector collector;
    collector.read_end_ = Fd(ends[0]);
    collector.write_end_ = Fd(ends[1]);
    collector.bytes_max_ = bytes_max;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return errno_error(errno, "pipe");
    return collector;
  }

  int write_end() const { return write_end_.get(); }
  void close_write_end() { write_end_.reset(); }
  int read_end() const { return read_end_.get(); }  // -1 after the end
  std::string take() { return std::move(text_); }

  // Takes what is there now, at most `rounds` buffers so that an endless writer cannot hold us past a deadline.
  void read_available(int rounds) {
    std::array<char, 65536> buffer;
    while (read_end_.is_open() && rounds-- > 0) {
      ssize_t got = ::read(read_end_.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return read_end_.reset();
      text_.append(buffer.data(), std::min(static_cast<size_t>(got), bytes_max_ - text_.size()));
    }
  }

 private:
  Fd read_end_;
  Fd write_end_;
  size_t bytes_max_ = 0;
  std::string text_;
};

// Both pipes until the child has ended; a grandchild that keeps them open does not keep us.
// False: the deadline came first.
Result<bool> collect_until_end(const Fd& pidfd, Collector& output, Collector& errors, uint64_t deadline_ms) {
  while (true) {
    uint64_t now = now_ms();
    if (now >= deadline_ms) return false;
    std::array<pollfd, 3> waiting = {
        {{pidfd.get(), POLLIN, 0}, {output.read_end(), POLLIN, 0}, {errors.read_end(), POLLIN, 0}}};
    int ready = poll(waiting.data(), waiting.size(), static_cast<int>(std::min<uint64_t>(deadline_ms - now, INT_MAX)));
    if (ready < 0 && errno != EINTR) return errno_error(errno, "poll");
    if (ready <= 0) continue;
    bool ended = waiting[0].revents != 0;
    // A pipe holds at most 1 MiB: these rounds empty what the ended child left.
    output.read_available(ended ? 17 : 1);
    errors.read_available(ended ? 17 : 1);
    if (ended) return true;
  }
}

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  size_t start = text.find_last_of('\n');
  std::string_view line = start == std::string_view::npos ? text : text.substr(start + 1);
  return std::string(line.substr(0, 500));
}

}  // namespace

Result<Outcome> run(const Command& command, const Limits& limits) {
  const uint64_t deadline_ms = deadline_in(limits.timeout_ms);
  Fd input = TRY(input_of(command.input));
  Collector output = TRY(Collector::create(limits.output_bytes_max));
  Collector errors = TRY(Collector::create(limits.output_bytes_max));
  SpawnOptions options;
  options.input = input.get();
  options.output = output.write_end();
  options.errors = errors.write_end();
  options.new_process_group = true;
  options.exec_timeout_ms = limits.timeout_ms;
  Spawned child = TRY(spawn(command, options));
  output.close_write_end();
  errors.close_write_end();

  Result<bool> ended = collect_until_end(child.pidfd, output, errors, deadline_ms);
  if (!ended.has_value() || !*ended) {
    kill(-child.pid, SIGKILL);
    kill(child.pid, SIGKILL);  // it may have left its group; not reaped yet, so the number is still its own
  }
  std::optional<int> exit_code = TRY(reap_until(child.pidfd, deadline_in(kKillTimeoutMs)));
  if (!ended.has_value()) return std::move(ended).error();
  if (!*ended || !exit_code.has_value()) {
    return make_error(Code::TimedOut,
                      command.arguments[0] + ": did not end within " + std::to_string(limits.timeout_ms) + " ms");
  }
  return Outcome{*exit_code, output.take(), errors.take()};
}

Result<Outcome> run_checked(const Command& command, const Limits& limits) {
  Outcome outcome = TRY(run(command, limits));
  if (outcome.exit_code == 0) return outcome;
  std::string said = last_line(outcome.errors);
  if (said.empty()) said = last_line(outcome.output);
  if (said.empty()) said = "exit code " + std::to_string(outcome.exit_code);
  return make_error(Code::Internal, command.arguments[0] + ": " + said);
}

Result<std::unique_ptr<Child>> Child::start(const Command& command, const Streams& streams) {
  SpawnOptions options;
  options.input = streams.input;
  options.output = streams.output;
  options.errors = streams.errors;
  options.die_with_parent = streams.die_with_parent;
  options.new_session = streams.new_session;
  Spawned child = TRY(spawn(command, options));
  return std::unique_ptr<Child>(new Child(child.pid, std::move(child.pidfd)));
}

Child::~Child() {
  if (abandoned_ || !is_running()) return;
  stop(0);
}

bool Child::is_running() {
  Result<std::optional<int>> ended = wait(0);
  return ended.has_value() && !ended->has_value();
}

Result<std::optional<int>> Child::wait(uint64_t timeout_ms) {
  if (exit_code_.has_value()) return exit_code_;
  exit_code_ = TRY(reap_until(pidfd_, deadline_in(timeout_ms)));
  return exit_code_;
}

void Child::signal(int number) {
  if (!exit_code_.has_value()) syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

void Child::stop(uint64_t grace_ms) {
  if (grace_ms > 0) {
    signal(SIGTERM);
    Result<std::optional<int>> ended = wait(grace_ms);
    if (ended.has_value() && ended->has_value()) return;
  }
  signal(SIGKILL);
  Result<std::optional<int>> ended = wait(kKillTimeoutMs);
  if (!ended.has_value() || !ended->has_value()) {
    log::warning("io", "a killed process does not end", {{"pid", std::to_string(pid_)}});
  }
}

void Child::abandon() { abandoned_ = true; }

}  // namespace mcloud::io
