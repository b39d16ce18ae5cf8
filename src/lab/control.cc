#include "lab/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/log.h"
#include "io/clock.h"

namespace mcloud::lab {
namespace {

// A unix socket's address holds 107 characters; a folder's descriptor makes any path short enough.
struct ShortPath {
  io::Fd folder;
  sockaddr_un address{};
};

Result<ShortPath> shorten(const std::string& path) {
  size_t slash = path.find_last_of('/');
  CHECK(slash != std::string::npos);
  std::string folder = path.substr(0, slash);
  ShortPath out;
  out.folder = io::Fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!out.folder.is_open()) return errno_error(errno, "open " + folder);
  std::string text = "/proc/self/fd/" + std::to_string(out.folder.get()) + path.substr(slash);
  CHECK(text.size() < sizeof out.address.sun_path);
  out.address.sun_family = AF_UNIX;
  std::memcpy(out.address.sun_path, text.c_str(), text.size() + 1);
  return out;
}

Result<io::Fd> unix_socket(int flags) {
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  return fd;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::listen(Poller& poller, const std::string& path, Handler handler) {
  ShortPath place = TRY(shorten(path));
  io::Fd fd = TRY(unix_socket(SOCK_NONBLOCK));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error(errno, "remove " + path);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&place.address), sizeof place.address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), 64) != 0) {
    return errno_error(errno, "listen on " + path);
  }
  std::unique_ptr<ControlServer> server(new ControlServer(poller, path, std::move(handler), std::move(fd)));
  TRY(poller.add(server->fd_.get(), EPOLLIN, [raw = server.get()](uint32_t) { raw->on_accept(); }));
  return server;
}

ControlServer::~ControlServer() {
  *alive_ = nullptr;
  poller_.remove(fd_.get());
  for (auto& [number, client] : clients_) poller_.remove(client.fd.get());
  ::unlink(path_.c_str());
}

void ControlServer::on_accept() {
  io::Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.is_open() || clients_.size() >= kClientsMax) return;
  uint64_t number = ++last_number_;
  if (!poller_.add(fd.get(), EPOLLIN, [this, number](uint32_t) { on_input(number); }).has_value()) return;
  clients_[number].fd = std::move(fd);
}

void ControlServer::on_input(uint64_t number) {
  Client& client = clients_.at(number);
  char buffer[16 << 10];
  ssize_t got = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return drop(number);
  client.input.append(buffer, static_cast<size_t>(got));
  if (client.input.size() > kLineBytesMax) return drop(number);
  next_line(number);
}

void ControlServer::next_line(uint64_t number) {
  Client& client = clients_.at(number);
  size_t end = client.input.find('\n');
  if (client.is_waiting || end == std::string::npos) return;
  std::string line = client.input.substr(0, end);
  client.input.erase(0, end + 1);
  client.is_waiting = true;
  poller_.change(client.fd.get(), 0);
  handler_(line, [alive = alive_, number](const std::string& text) {
    if (*alive != nullptr) (*alive)->answer(number, text);
  });
}

void ControlServer::answer(uint64_t number, const std::string& line) {
  auto found = clients_.find(number);
  if (found == clients_.end()) return;
  std::string text = line + "\n";
  // A client that does not read a few kilobytes it asked for is not waited for.
  ssize_t sent = ::send(found->second.fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(text.size())) return drop(number);
  found->second.is_waiting = false;
  poller_.change(found->second.fd.get(), EPOLLIN);
  next_line(number);
}

void ControlServer::drop(uint64_t number) {
  auto found = clients_.find(number);
  if (found == clients_.end()) return;
  poller_.remove(found->second.fd.get());
  clients_.erase(found);
}

Result<std::string> ask_control(const std::string& path, const std::string& line, uint64_t timeout_ms) {
  const Error absent = make_error(Code::NotFound, "no cluster is running (" + path + " does not answer)");
  auto place = shorten(path);
  if (!place.has_value()) return absent;
  io::Fd fd = TRY(unix_socket(0));
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&place->address), sizeof place->address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return absent;
    return errno_error(errno, "connect to " + path);
  }
  std::string text = line + "\n";
  timeval patience{5, 0};
  static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience));
  if (::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    return errno_error(errno, "ask the cluster");
  }
  uint64_t deadline = io::SystemClock().monotonic_ms() + timeout_ms;
  std::string answer;
  while (!answer.ends_with('\n')) {
    uint64_t now = io::SystemClock().monotonic_ms();
    pollfd waiting{fd.get(), POLLIN, 0};
    int ready = now >= deadline ? 0 : ::poll(&waiting, 1, static_cast<int>(deadline - now));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return make_error(Code::TimedOut, "the cluster does not answer");
    char buffer[16 << 10];
    ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return make_error(Code::Unavailable, "the cluster ended");
    answer.append(buffer, static_cast<size_t>(got));
    if (answer.size() > (4 << 20)) return make_error(Code::Corrupt, "the cluster's answer has no end");
  }
  answer.pop_back();
  return answer;
}

}  // namespace mcloud::lab
