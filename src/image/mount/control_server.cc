#include "image/mount/control_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/clock.h"

namespace mcloud::image {
namespace {

constexpr uint64_t kRequestTimeoutMs = 5'000;

Result<struct sockaddr_un> address_of(const std::string& path) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return make_error(Code::Invalid, path + ": longer than the " + std::to_string(sizeof address.sun_path - 1) +
                                         " characters that a socket's path may have");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

Status wait_for(int fd, short events, uint64_t deadline_ms) {
  uint64_t now = now_ms();
  struct pollfd ready {fd, events, 0};
  int count = now >= deadline_ms ? 0 : ::poll(&ready, 1, static_cast<int>(deadline_ms - now));
  if (count < 0 && errno != EINTR) return errno_error(errno, "wait for the control socket");
  if (count == 0) return make_error(Code::TimedOut, "no answer on the control socket");
  return {};
}

Result<std::string> read_line(int fd, uint64_t deadline_ms) {
  std::string line;
  char buffer[16 << 10];
  while (true) {
    TRY(wait_for(fd, POLLIN, deadline_ms));
    ssize_t got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return errno_error(errno, "read the control socket");
    if (got == 0) return make_error(Code::Unavailable, "the other side ended the connection");
    line.append(buffer, static_cast<size_t>(got));
    if (size_t end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
    if (line.size() > kControlBytesMax) return make_error(Code::Invalid, "longer than 4 MiB");
  }
}

Status write_all(int fd, std::string_view bytes, uint64_t deadline_ms) {
  while (!bytes.empty()) {
    TRY(wait_for(fd, POLLOUT, deadline_ms));
    ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent < 0) return errno_error(errno, "write to the control socket");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

bool may_ask(int connection) {
  struct ucred peer {};
  socklen_t bytes = sizeof peer;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

Result<io::Fd> listen_for_control(const std::string& path) {
  struct sockaddr_un address = TRY(address_of(path));
  io::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.is_open()) return errno_error(errno, "make the control socket");
  ::unlink(path.c_str());
  if (::bind(listener.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(errno, "bind " + path);
  }
  if (::chmod(path.c_str(), 0600) != 0) return errno_error(errno, "protect " + path);
  if (::listen(listener.get(), 64) != 0) return errno_error(errno, "listen on " + path);
  return listener;
}

Result<ControlReply> ask(const std::string& path, const ControlRequest& request, uint64_t timeout_ms) {
  uint64_t deadline_ms = now_ms() + timeout_ms;
  struct sockaddr_un address = TRY(address_of(path));
  io::Fd connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection.is_open()) return errno_error(errno, "make a socket");
  if (::connect(connection.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) {
    bool is_nobody = errno == ENOENT || errno == ECONNREFUSED;
    return is_nobody ? make_error(Code::Unavailable, "nobody listens on " + path) : errno_error(errno, "connect to " + path);
  }
  TRY(write_all(connection.get(), write_request(request), deadline_ms));
  std::string line = TRY(read_line(connection.get(), deadline_ms));
  return parse_reply(request.kind, line);
}

bool serve_control(int listener, uint64_t timeout_ms,
                   const std::function<Result<ControlReply>(const ControlRequest&)>& handle) {
  struct pollfd ready {listener, POLLIN, 0};
  if (::poll(&ready, 1, static_cast<int>(timeout_ms)) <= 0) return false;
  io::Fd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection.is_open() || !may_ask(connection.get())) return true;
  uint64_t deadline_ms = now_ms() + kRequestTimeoutMs;
  Result<std::string> line = read_line(connection.get(), deadline_ms);
  if (!line.has_value() && line.error().code != Code::Invalid) return true;
  Result<ControlRequest> request = line.has_value() ? parse_request(*line) : Result<ControlRequest>(line.error());
  ControlRequest::Kind kind = request.has_value() ? request->kind : ControlRequest::Kind::Hello;
  Result<ControlReply> reply = request.has_value() ? handle(*request) : Result<ControlReply>(request.error());
  // Who does not read its answer goes without.
  static_cast<void>(write_all(connection.get(), write_reply(kind, reply), now_ms() + kRequestTimeoutMs));
  return true;
}

}  // namespace mcloud::image
