#include "runtime/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include "io/clock.h"
#include "io/file.h"
#include "io/process.h"
#include "runtime/container.h"
#include "runtime/probe_answer.h"

namespace mcloud::runtime {
namespace {

// What the asking child ends with.
enum Ending : int { kAnswered = 0, kNoNetwork = 1, kNoSocket = 2, kRefused = 3, kTooLate = 4, kClosed = 5 };

uint64_t child_now_ms() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

// A connection made by a child in the container's network namespace. Between fork and exit only
// async-signal-safe calls: everything is prepared before.
struct Asking {
  int network = -1;
  sockaddr_in address{};
  std::string request;  // "" = connect only
  uint64_t deadline_ms = 0;

  bool wait(int fd, short events) const {
    while (true) {
      uint64_t now = child_now_ms();
      pollfd waiting{fd, events, 0};
      int left = static_cast<int>(std::min<uint64_t>(deadline_ms > now ? deadline_ms - now : 0, INT_MAX));
      int ready = ::poll(&waiting, 1, left);
      if (ready > 0) return true;
      if (ready == 0 || errno != EINTR) return false;
    }
  }

  int run() const {
    if (::setns(network, CLONE_NEWNET) != 0) return kNoNetwork;
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return kNoSocket;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno != EINPROGRESS) return kRefused;
      if (!wait(fd, POLLOUT)) return kTooLate;
      int error_number = 0;
      socklen_t size = sizeof error_number;
      if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size) != 0 || error_number != 0) return kRefused;
    }
    return request.empty() ? static_cast<int>(kAnswered) : exchange(fd);
  }

  // Passes the answer's first line and more to standard output; the parent judges it.
  int exchange(int fd) const {
    for (size_t sent = 0; sent < request.size();) {
      ssize_t put = ::send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (put > 0) sent += static_cast<size_t>(put);
      else if (errno != EAGAIN && errno != EINTR) return kClosed;
      else if (!wait(fd, POLLOUT)) return kTooLate;
    }
    size_t received = 0;
    char buffer[1024];
    while (received < kStatusLineMax) {
      if (!wait(fd, POLLIN)) return kTooLate;
      ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) return received > 0 ? kAnswered : kClosed;
      for (ssize_t i = 0; i < got; ++i) {
        if (buffer[i] == '\n') {
          [[maybe_unused]] ssize_t put = ::write(1, buffer, static_cast<size_t>(i) + 1);
          return kAnswered;
        }
      }
      received += static_cast<size_t>(got);
      if (::write(1, buffer, static_cast<size_t>(got)) < 0) return kClosed;
    }
    return kAnswered;
  }
};

Result<Bytes> ask(Runtime& runtime, const std::string& id, const std::string& address, uint16_t port,
                  std::string request, uint64_t timeout_ms) {
  std::string place = "port " + std::to_string(port);
  Asking asking;
  asking.address.sin_family = AF_INET;
  asking.address.sin_port = htons(port);
  if (port == 0 || inet_pton(AF_INET, address.c_str(), &asking.address.sin_addr) != 1) {
    return make_error(Code::Invalid, "probe of " + address + " " + place + ": an IPv4 address and a port are needed");
  }
  int pid = TRY(runtime.process_of(id));
  io::Fd network(::open(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  if (!network.is_open()) return errno_error(errno, "network namespace of container " + id);
  asking.network = network.get();
  asking.request = std::move(request);
  asking.deadline_ms = io::SystemClock().monotonic_ms() + timeout_ms;
  io::Command command;
  command.arguments = {"probe"};  // never executed: the child ends before
  command.in_child = [&asking] { ::_exit(asking.run()); };
  // The child keeps the deadline itself; the margin is for a child that cannot.
  io::Outcome outcome = TRY(io::run(command, {timeout_ms + 500, kStatusLineMax}));
  switch (outcome.exit_code) {
    case kAnswered: return std::move(outcome.output);
    case kTooLate: return make_error(Code::TimedOut, place + ": no answer within " + std::to_string(timeout_ms) + " ms");
    case kRefused: return make_error(Code::Unavailable, place + ": nothing accepts connections");
    case kClosed: return make_error(Code::Unavailable, place + ": the connection was closed without an answer");
    default: return make_error(Code::Unavailable, place + ": cannot ask in the container's network namespace");
  }
}

Status probe(Runtime& runtime, const std::string& id, const HttpProbe& http, uint64_t timeout_ms) {
  bool is_path = http.path.starts_with('/') && http.path.size() <= 2048 &&
                 std::all_of(http.path.begin(), http.path.end(), [](char c) { return c > ' ' && c < 127; });
  if (!is_path) return make_error(Code::Invalid, "probe path \"" + http.path.substr(0, 100) + "\": must be an absolute path");
  std::string request = "GET " + http.path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: mcloud-health\r\n" +
                        "Accept: */*\r\nConnection: close\r\n\r\n";
  Bytes answer = TRY(ask(runtime, id, http.address, http.port, std::move(request), timeout_ms));
  int status = TRY(parse_http_status(answer).with_context("port " + std::to_string(http.port)));
  if (status >= 200 && status < 400) return {};
  return make_error(Code::Unavailable, "GET " + http.path + ": HTTP status " + std::to_string(status));
}

Status probe(Runtime& runtime, const std::string& id, const TcpProbe& tcp, uint64_t timeout_ms) {
  TRY(ask(runtime, id, tcp.address, tcp.port, "", timeout_ms));
  return {};
}

Status probe(Runtime& runtime, const std::string& id, const ExecProbe& exec, uint64_t timeout_ms) {
  ExecOutcome outcome = TRY(runtime.exec(id, exec.arguments, timeout_ms));
  if (outcome.exit_code == 0) return {};
  std::string said = outcome.errors.empty() ? outcome.output : outcome.errors;
  return make_error(Code::Unavailable, "check exited with " + std::to_string(outcome.exit_code) +
                                           (said.empty() ? "" : ": " + said.substr(0, 200)));
}

}  // namespace

Status run_probe(Runtime& runtime, const std::string& id, const Probe& what, uint64_t timeout_ms) {
  return std::visit([&](const auto& one) { return probe(runtime, id, one, timeout_ms); }, what);
}

}  // namespace mcloud::runtime
