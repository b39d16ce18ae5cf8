#include "gateway/tunnel/address.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace mcloud::gateway {
namespace {

constexpr int kBacklog = 1024;

const sockaddr* raw(const Address& address) { return reinterpret_cast<const sockaddr*>(&address.storage); }

Result<io::Fd> open_socket(int family) {
  io::Fd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  return fd;
}

Result<gid_t> group_id(const std::string& name) {
  group found{}, *result = nullptr;
  char text[16 << 10];
  getgrnam_r(name.c_str(), &found, text, sizeof text, &result);
  if (result == nullptr) return make_error(Code::NotFound, "there is no group " + name);
  return found.gr_gid;
}

}  // namespace

Result<Address> make_address(const std::string& host, uint32_t port) {
  Address made;
  if (port > UINT16_MAX) return make_error(Code::Invalid, "port " + std::to_string(port) + " is too large");
  auto* v4 = reinterpret_cast<sockaddr_in*>(&made.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&made.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    made.size = sizeof *v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    made.size = sizeof *v6;
  } else {
    return make_error(Code::Invalid, host.substr(0, 100) + " is no IPv4 or IPv6 address");
  }
  return made;
}

Result<Address> parse_endpoint(const std::string& text) {
  size_t colon = text.rfind(':');
  uint32_t port = 0;
  const char* end = text.data() + text.size();
  const char* digits = colon == std::string::npos ? end : text.data() + colon + 1;
  auto [last, error] = std::from_chars(digits, end, port);
  if (error != std::errc() || last != end || port == 0)
    return make_error(Code::Invalid, text.substr(0, 100) + " is no address with a port");
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return make_address(host, port);
}

Result<io::Fd> start_connect(const Address& address) {
  io::Fd fd = TRY(open_socket(address.storage.ss_family));
  int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd.get(), raw(address), address.size) != 0 && errno != EINPROGRESS)
    return make_error(Code::Unavailable, std::string("connect: ") + std::strerror(errno));
  return fd;
}

Result<io::Fd> listen_on(const Address& address) {
  io::Fd fd = TRY(open_socket(address.storage.ss_family));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd.get(), raw(address), address.size) != 0) return errno_error(errno, "bind");
  if (listen(fd.get(), kBacklog) != 0) return errno_error(errno, "listen");
  return fd;
}

uint16_t bound_port(int fd) {
  Address bound;
  bound.size = sizeof bound.storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size) != 0) return 0;
  return ntohs(bound.storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound.storage)->sin6_port
                                                   : reinterpret_cast<sockaddr_in*>(&bound.storage)->sin_port);
}

Result<io::Fd> listen_at(const std::string& path, const std::string& group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return make_error(Code::Invalid, path + ": too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  io::Fd fd = TRY(open_socket(AF_UNIX));
  unlink(path.c_str());
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return errno_error(errno, "bind " + path);
  if (!group.empty()) {
    gid_t id = TRY(group_id(group));
    if (chown(path.c_str(), static_cast<uid_t>(-1), id) != 0) return errno_error(errno, "chown " + path);
  }
  if (chmod(path.c_str(), 0770) != 0) return errno_error(errno, "chmod " + path);
  if (listen(fd.get(), kBacklog) != 0) return errno_error(errno, "listen " + path);
  return fd;
}

void raise_descriptor_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace mcloud::gateway
