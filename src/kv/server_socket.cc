#include "kv/server_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace mcloud::kv {
namespace {

constexpr int kBacklog = 1024;

void set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

Error listen_error(int number, const std::string& where) {
  if (number == EADDRINUSE)
    return make_error(Code::Conflict, "listen on " + where + ": something listens there already");
  return errno_error(number, "listen on " + where);
}

std::string text_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(four.sin_port));
  }
  if (address.ss_family != AF_INET6) return "unix";
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
  inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(six.sin6_port));
}

uint16_t port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
}

Status refuse_live_socket(const std::string& path, const sockaddr_un& address) {
  io::Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.is_open()) return errno_error(errno, "socket");
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return listen_error(EADDRINUSE, path);
  if (errno == ECONNREFUSED) unlink(path.c_str());  // left behind by a process that died
  return {};
}

}  // namespace

Result<Listening> listen_tcp(const std::string& host, uint16_t port) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  std::string service = std::to_string(port), where = host + " port " + service;
  if (int error = getaddrinfo(host.c_str(), service.c_str(), &wanted, &found); error != 0)
    return make_error(Code::Invalid, "listen on " + where + ": " + gai_strerror(error));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  io::Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0) return listen_error(errno, where);
  if (listen(fd.get(), kBacklog) != 0) return listen_error(errno, where);
  uint16_t chosen = port_of(fd.get());
  return Listening{std::move(fd), chosen};
}

Result<Listening> listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return make_error(Code::Invalid, "the path of a unix socket has at most 107 bytes: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  TRY(refuse_live_socket(path, address));
  io::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return listen_error(errno, path);
  if (listen(fd.get(), kBacklog) != 0) return listen_error(errno, path);
  return Listening{std::move(fd), 0};
}

Result<Accepted> accept_one(const Listening& listening) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  io::Fd fd(accept4(listening.fd.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.is_open()) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      return make_error(Code::Exhausted, std::strerror(errno));
    return Accepted{};
  }
  if (listening.port != 0) {
    set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  return Accepted{std::move(fd), text_of(address), nullptr, listening.port == 0};
}

}  // namespace mcloud::kv
