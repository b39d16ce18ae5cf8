#include "wire/client_connect.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

#include "io/interrupt.h"
#include "wire/client_socket.h"

namespace mcloud::wire {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

using Addresses = std::vector<Address>;

// What one caller waits with.
struct Patience {
  uint64_t deadline_ms;
  int interrupt_fd;
  // False: the deadline has come first.
  Result<bool> wait_for(int fd, short events) const {
    std::array<pollfd, 2> waiting = {{{fd, events, 0}, {interrupt_fd, POLLIN, 0}}};
    int ready = poll_until(waiting.data(), waiting.size(), deadline_ms);
    if (waiting[1].revents != 0) return make_error(Code::Cancelled, "interrupted");
    return ready > 0;
  }
};

Result<Addresses> get_addresses(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) {
    return make_error(Code::Unavailable, "the name " + host + " is not known: " + gai_strerror(failed));
  }
  Addresses out;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address address;
    address.size = one->ai_addrlen;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    out.push_back(address);
  }
  freeaddrinfo(found);
  return out;
}

// getaddrinfo(3) can neither be interrupted nor given a deadline. So names are looked up by a thread of
// their own, which owns all it touches and, past our deadline, is left to the resolver's own limits.
Result<Addresses> look_up(const Endpoint& endpoint, const Patience& patience) {
  Result<Addresses> numeric = get_addresses(endpoint.host, endpoint.port, AI_NUMERICHOST);
  if (numeric.has_value()) return numeric;
  auto done = std::make_shared<io::Interrupt>(TRY(io::Interrupt::make()));
  std::packaged_task<Result<Addresses>()> task(
      [host = endpoint.host, port = endpoint.port] { return get_addresses(host, port, 0); });
  std::future<Result<Addresses>> found = task.get_future();
  std::thread([task = std::move(task), done]() mutable {
    task();
    done->ring();
  }).detach();
  if (TRY(patience.wait_for(done->fd(), POLLIN))) return found.get();
  return make_error(Code::Unavailable, "the name " + endpoint.host + " could not be looked up in time");
}

Address unix_address(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), std::min(path.size(), sizeof name.sun_path - 1));
  Address address;
  std::memcpy(&address.storage, &name, sizeof name);
  address.size = sizeof name;
  return address;
}

Result<io::Fd> connect_to(const Address& address, const Patience& patience) {
  io::Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return make_error(Code::Unavailable, std::strerror(errno));
    if (!TRY(patience.wait_for(fd.get(), POLLOUT))) return make_error(Code::Unavailable, "no answer in time");
    int error_number = 0;
    socklen_t size = sizeof error_number;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error_number, &size);
    if (error_number != 0) return make_error(Code::Unavailable, std::strerror(error_number));
  }
  if (address.storage.ss_family != AF_UNIX) {
    int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return fd;
}

}  // namespace

int poll_until(pollfd* waiting, size_t count, uint64_t deadline_ms) {
  while (true) {
    uint64_t now = now_ms();
    uint64_t left = deadline_ms > now ? std::min<uint64_t>(deadline_ms - now, INT_MAX) : 0;
    int ready = poll(waiting, count, static_cast<int>(left));
    if (ready >= 0 || errno != EINTR) return ready;
  }
}

Result<io::Fd> connect_endpoint(const Endpoint& endpoint, uint64_t deadline_ms, int interrupt_fd) {
  Addresses addresses;
  if (endpoint.unix_path.empty()) {
    addresses = TRY(look_up(endpoint, {deadline_ms, interrupt_fd}));
  } else {
    addresses.push_back(unix_address(endpoint.unix_path));
  }
  Error last = make_error(Code::Unavailable, "no address");
  for (size_t i = 0; i < addresses.size(); ++i) {
    // A silent address leaves time for those after it.
    uint64_t now = now_ms();
    uint64_t share = deadline_ms > now ? (deadline_ms - now) / (addresses.size() - i) : 0;
    Result<io::Fd> fd = connect_to(addresses[i], {now + share, interrupt_fd});
    if (fd.has_value() || fd.error().code == Code::Cancelled) return fd;
    last = fd.error();
  }
  return last;
}

}  // namespace mcloud::wire
