#include "runtime/exec_output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "io/clock.h"

namespace mcloud::runtime {

Result<ExecOutput::Pipe> ExecOutput::make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  Pipe pipe{io::Fd(ends[0]), io::Fd(ends[1]), ""};
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return errno_error(errno, "pipe");
  return pipe;
}

Result<ExecOutput> ExecOutput::create() {
  ExecOutput out;
  out.output_ = TRY(make_pipe());
  out.errors_ = TRY(make_pipe());
  return out;
}

void ExecOutput::close_child_ends() {
  output_.write_end.reset();
  errors_.write_end.reset();
}

// Bounded in rounds, so that an endless writer cannot hold us past a deadline.
void ExecOutput::Pipe::read_available(int rounds) {
  char buffer[16 << 10];
  while (read_end.is_open() && rounds-- > 0) {
    ssize_t got = ::read(read_end.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return read_end.reset();
    text.append(buffer, std::min(static_cast<size_t>(got), kBytesMax - text.size()));
  }
}

Result<bool> ExecOutput::collect(int pidfd, uint64_t deadline_ms) {
  while (true) {
    uint64_t now = io::SystemClock().monotonic_ms();
    if (now >= deadline_ms) return false;
    pollfd waiting[3] = {{pidfd, POLLIN, 0}, {output_.read_end.get(), POLLIN, 0}, {errors_.read_end.get(), POLLIN, 0}};
    int ready = ::poll(waiting, 3, static_cast<int>(std::min<uint64_t>(deadline_ms - now, INT_MAX)));
    if (ready < 0 && errno != EINTR) return errno_error(errno, "poll");
    if (ready <= 0) continue;
    bool has_ended = waiting[0].revents != 0;
    // A pipe holds at most 1 MiB: these rounds empty what the ended program left.
    output_.read_available(has_ended ? 65 : 1);
    errors_.read_available(has_ended ? 65 : 1);
    if (has_ended) return true;
  }
}

}  // namespace mcloud::runtime
