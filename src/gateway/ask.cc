#include "gateway/ask.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/clock.h"
#include "io/file.h"

namespace mcloud::gateway {
namespace {

constexpr size_t kAnswerBytesMax = 64 << 20;

Result<io::Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return make_error(Code::Invalid, path + " is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  io::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return errno_error(errno, "socket");
  // HAProxy's listen queue is long; a full one is as bad as none.
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return make_error(Code::Unavailable, "connect to " + path + ": " + std::strerror(errno));
  }
  return socket;
}

Status wait_for(int fd, short events, uint64_t deadline_ms) {
  while (true) {
    uint64_t now = io::SystemClock().monotonic_ms();
    if (now >= deadline_ms) return make_error(Code::TimedOut, "HAProxy does not answer");
    pollfd waiting{fd, events, 0};
    int ready = ::poll(&waiting, 1, static_cast<int>(std::min<uint64_t>(deadline_ms - now, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return errno_error(errno, "poll");
  }
}

}  // namespace

Result<std::string> ask(const std::string& socket_path, const std::string& command, uint64_t timeout_ms) {
  io::Fd socket = TRY(connect_to(socket_path));
  uint64_t deadline_ms = io::SystemClock().monotonic_ms() + timeout_ms;
  std::string question = command + "\n";
  for (std::string_view left = question; !left.empty();) {
    TRY(wait_for(socket.get(), POLLOUT, deadline_ms));
    ssize_t sent = ::send(socket.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EINTR && errno != EAGAIN) return make_error(Code::Unavailable, std::string("ask HAProxy: ") + std::strerror(errno));
    if (sent > 0) left.remove_prefix(static_cast<size_t>(sent));
  }
  ::shutdown(socket.get(), SHUT_WR);  // the master waits for another question else
  std::string answer;
  char piece[16 << 10];
  while (true) {
    TRY(wait_for(socket.get(), POLLIN, deadline_ms));
    ssize_t got = ::recv(socket.get(), piece, sizeof piece, MSG_DONTWAIT);
    if (got == 0) return answer;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return make_error(Code::Unavailable, std::string("ask HAProxy: ") + std::strerror(errno));
    if (got > 0) answer.append(piece, static_cast<size_t>(got));
    if (answer.size() > kAnswerBytesMax) return make_error(Code::Exhausted, "HAProxy's answer has no end");
  }
}

}  // namespace mcloud::gateway
