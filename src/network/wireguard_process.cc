#include "network/wireguard_process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

#include "io/clock.h"
#include "io/process.h"
#include "network/wireguard_uapi.h"

namespace mcloud::network {
namespace {

constexpr uint64_t kStartMs = 5'000;
constexpr uint64_t kAnswerMs = 5'000;
constexpr int kEndMs = 2'000;
constexpr int kBurstBytes = 2 << 20;

Result<io::Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return make_error(Code::Invalid, path + " is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "open a unix socket");
  timeval patience{1, 0};
  static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience));
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  return make_error(Code::Unavailable, "nobody answers at " + path + ": " + std::strerror(errno));
}

// Seen by its poll: the other end has closed.
bool is_closed(const io::Fd& pipe, int patience_ms) {
  pollfd waiting{pipe.get(), POLLIN, 0};
  return ::poll(&waiting, 1, patience_ms) > 0 && (waiting.revents & (POLLHUP | POLLERR)) != 0;
}

Status send_all(const io::Fd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return errno_error(errno, "send to wireguard-go");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Result<std::string> receive_answer(const io::Fd& fd) {
  uint64_t deadline = io::SystemClock().monotonic_ms() + kAnswerMs;
  std::string out;
  std::string buffer(64 << 10, '\0');
  while (!is_uapi_answer(out)) {
    uint64_t now = io::SystemClock().monotonic_ms();
    pollfd waiting{fd.get(), POLLIN, 0};
    int ready = now >= deadline ? 0 : ::poll(&waiting, 1, static_cast<int>(deadline - now));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return make_error(Code::TimedOut, "wireguard-go does not answer within 5 s");
    ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return make_error(Code::Unavailable, "wireguard-go ended before it answered");
    out.append(buffer.data(), static_cast<size_t>(got));
    if (out.size() > kUapiBytesMax) return make_error(Code::Exhausted, "wireguard-go answers without end");
  }
  return out;
}

// Two forks: what runs is nobody's child, so nobody need wait for its end.
void leave_parent() {
  int pid = ::fork();
  if (pid != 0) ::_exit(pid < 0 ? 1 : 0);
}

Status wait_for_socket(const std::string& socket, const io::Fd& life) {
  uint64_t deadline = io::SystemClock().monotonic_ms() + kStartMs;
  while (!connect_to(socket).has_value()) {
    if (is_closed(life, 2)) {
      return make_error(Code::Unavailable,
                        "wireguard-go ended at once: is there /dev/net/tun, and may this process use it? "
                        "LOG_LEVEL=debug wireguard-go -f NAME says more");
    }
    if (io::SystemClock().monotonic_ms() >= deadline) {
      return make_error(Code::TimedOut, "wireguard-go does not open " + socket + " within 5 s");
    }
  }
  return {};
}

}  // namespace

Status start_wireguard_go(const std::string& device, const std::string& socket) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "open a pipe");
  io::Fd life(ends[0]);
  io::Fd its_end(ends[1]);
  io::Command command;
  command.arguments = {"wireguard-go", device};
  command.environment = {"WG_PROCESS_FOREGROUND=1"};
  command.working_folder = "/";
  command.descriptors = {{its_end.get(), 3}};  // closes when it ends, however
  command.in_child = leave_parent;
  auto child = TRY(io::Child::start(command, {.die_with_parent = false, .new_session = true}));
  its_end.reset();
  TRY(child->wait(kStartMs));
  return wait_for_socket(socket, life);
}

Result<std::string> ask_wireguard_go(const std::string& socket, const std::string& request) {
  io::Fd fd = TRY(connect_to(socket));
  TRY(send_all(fd, request));
  return receive_answer(fd);
}

WireGuardProcess wireguard_go_at(const std::string& socket) {
  auto fd = connect_to(socket);
  if (!fd.has_value()) return {};
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 || credentials.pid <= 0) return {};
  io::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, credentials.pid, 0)));
  // Held by the pidfd, the number is not another's: its name can be trusted.
  auto name = io::read_file("/proc/" + std::to_string(credentials.pid) + "/comm");
  if (!pidfd.is_open() || !name.has_value() || *name != "wireguard-go\n") return {};
  return {std::move(pidfd), credentials.pid};
}

bool is_running(const WireGuardProcess& process) {
  pollfd waiting{process.pidfd.get(), POLLIN, 0};
  return process.pidfd.is_open() && ::poll(&waiting, 1, 0) == 0;
}

void widen_sockets(const WireGuardProcess& process) {
  auto names = io::list_folder("/proc/" + std::to_string(process.pid) + "/fd");
  if (!names.has_value() || !is_running(process)) return;
  for (const std::string& name : *names) {
    io::Fd theirs(static_cast<int>(::syscall(SYS_pidfd_getfd, process.pidfd.get(), std::atoi(name.c_str()), 0)));
    int protocol = 0;
    socklen_t size = sizeof protocol;
    bool is_udp = theirs.is_open() && ::getsockopt(theirs.get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
                  protocol == IPPROTO_UDP;
    if (!is_udp) continue;
    for (int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
      static_cast<void>(::setsockopt(theirs.get(), SOL_SOCKET, option, &kBurstBytes, sizeof kBurstBytes));
    }
  }
}

Status end_wireguard_go(const std::string& socket) {
  WireGuardProcess process = wireguard_go_at(socket);
  if (process.pidfd.is_open()) {
    pollfd waiting{process.pidfd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kEndMs) <= 0) {
      static_cast<void>(::syscall(SYS_pidfd_send_signal, process.pidfd.get(), SIGKILL, nullptr, 0));
      if (::poll(&waiting, 1, kEndMs) <= 0) return make_error(Code::TimedOut, "wireguard-go at " + socket + " does not end");
    }
  }
  if (::unlink(socket.c_str()) != 0 && errno != ENOENT) return errno_error(errno, "remove " + socket);
  return {};
}

bool has_udp_port(const WireGuardProcess& process, uint16_t port) {
  std::string folder = "/proc/" + std::to_string(process.pid) + "/fd";
  std::set<std::string> sockets;
  for (const std::string& name : io::list_folder(folder).value_or(std::vector<std::string>())) {
    char text[64];
    ssize_t size = ::readlink((folder + "/" + name).c_str(), text, sizeof text);
    std::string_view target(text, size < 0 ? 0 : static_cast<size_t>(size));
    if (target.starts_with("socket:[")) sockets.emplace(target.substr(8, target.size() - 9));
  }
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", port);
  for (const char* path : {"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"}) {
    std::istringstream lines(io::read_file(path).value_or(Bytes()));
    for (std::string line; std::getline(lines, line);) {
      // proc(5): number, local address, remote, state, queues, timer, retransmissions, user, timeout, inode.
      std::istringstream words(line);
      std::vector<std::string> row(std::istream_iterator<std::string>(words), {});
      if (row.size() > 9 && row[1].ends_with(wanted) && sockets.contains(row[9])) return true;
    }
  }
  return false;
}

}  // namespace mcloud::network
