#include "kv/replication/connect.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/clock.h"
#include "io/file.h"
#include "io/tls_stream.h"

namespace mcloud::kv {
namespace {

class EventInterrupt final : public Interrupt {
 public:
  explicit EventInterrupt(io::Fd fd) : fd_(std::move(fd)) {}
  void ring() override {
    uint64_t one = 1;
    static_cast<void>(!write(fd_.get(), &one, sizeof one));  // fails only when it is readable anyway
  }
  int fd() const override { return fd_.get(); }

 private:
  io::Fd fd_;
};

// Waits until `fd` is ready for `events`.
Status wait_for(int fd, short events, int interrupt_fd, uint64_t deadline_ms) {
  while (true) {
    uint64_t now = io::SystemClock().monotonic_ms();
    std::array<pollfd, 2> waiting = {{{fd, events, 0}, {interrupt_fd, POLLIN, 0}}};
    int ready = poll(waiting.data(), waiting.size(), deadline_ms > now ? static_cast<int>(deadline_ms - now) : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno_error(errno, "poll");
    if (waiting[1].revents != 0) return make_error(Code::Cancelled, "interrupted");
    if (ready > 0) return {};
    return make_error(Code::TimedOut, "nothing came in time");
  }
}

uint64_t deadline_in(uint64_t ms) { return io::SystemClock().monotonic_ms() + ms; }

class SocketStream final : public ByteStream {
 public:
  SocketStream(io::Fd fd, int interrupt_fd) : fd_(std::move(fd)), interrupt_fd_(interrupt_fd) {}

  Result<size_t> read(char* to, size_t size, uint64_t timeout_ms) override {
    const uint64_t deadline = deadline_in(timeout_ms);
    while (true) {
      ssize_t got = recv(fd_.get(), to, size, MSG_DONTWAIT);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EAGAIN && errno != EINTR) return errno_error(errno, "receive");
      TRY(wait_for(fd_.get(), POLLIN, interrupt_fd_, deadline));
    }
  }

  Status write(BytesView bytes, uint64_t timeout_ms) override {
    const uint64_t deadline = deadline_in(timeout_ms);
    while (!bytes.empty()) {
      ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      if (sent >= 0) continue;
      if (errno != EAGAIN && errno != EINTR) return errno_error(errno, "send");
      TRY(wait_for(fd_.get(), POLLOUT, interrupt_fd_, deadline));
    }
    return {};
  }

 private:
  io::Fd fd_;
  int interrupt_fd_;
};

class TlsByteStream final : public ByteStream {
 public:
  explicit TlsByteStream(std::unique_ptr<io::TlsStream> stream) : stream_(std::move(stream)) {}
  Result<size_t> read(char* to, size_t size, uint64_t timeout_ms) override {
    return stream_->read(to, size, timeout_ms);
  }
  Status write(BytesView bytes, uint64_t timeout_ms) override { return stream_->write(bytes, timeout_ms); }

 private:
  std::unique_ptr<io::TlsStream> stream_;
};

Status connect_in_time(int fd, const sockaddr* address, socklen_t size, int interrupt_fd, uint64_t deadline_ms) {
  if (connect(fd, address, size) == 0) return {};
  if (errno != EINPROGRESS && errno != EINTR) return errno_error(errno, "connect");
  TRY(wait_for(fd, POLLOUT, interrupt_fd, deadline_ms));
  int number = 0;
  socklen_t number_size = sizeof number;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &number_size);
  if (number != 0) return errno_error(number, "connect");
  return {};
}

Result<io::Fd> connect_unix(const std::string& path, int interrupt_fd, uint64_t deadline_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return make_error(Code::Invalid, "the path of the socket is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  io::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  TRY(connect_in_time(fd.get(), where, sizeof address, interrupt_fd, deadline_ms));
  return fd;
}

Result<io::Fd> connect_tcp(const std::string& host, uint16_t port, int interrupt_fd, uint64_t deadline_ms) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  if (int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found); error != 0)
    return make_error(Code::Unavailable, std::string("the name is not known: ") + gai_strerror(error));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  Error last = make_error(Code::Unavailable, "no address");
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    io::Fd fd(socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.is_open()) return errno_error(errno, "socket");
    Status done = connect_in_time(fd.get(), one->ai_addr, one->ai_addrlen, interrupt_fd, deadline_ms);
    if (done.has_value()) {
      int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return fd;
    }
    last = done.error();
  }
  return last;
}

bool is_unix(const Way& way) { return way.host.starts_with('/'); }

Result<io::Fd> connect_any(const Way& way, int interrupt_fd, uint64_t deadline_ms) {
  return is_unix(way) ? connect_unix(way.host, interrupt_fd, deadline_ms)
                      : connect_tcp(way.host, way.port, interrupt_fd, deadline_ms);
}

Result<std::unique_ptr<ByteStream>> open_any(const Way& way, int interrupt_fd, uint64_t deadline_ms) {
  bool is_plain = way.tls.authority.empty() || is_unix(way);
  std::shared_ptr<const io::TlsContext> context;
  if (!is_plain) context = TRY(io::TlsContext::for_client(way.tls));
  io::Fd fd = TRY(connect_any(way, interrupt_fd, deadline_ms));
  if (is_plain) return std::unique_ptr<ByteStream>(std::make_unique<SocketStream>(std::move(fd), interrupt_fd));
  uint64_t now = io::SystemClock().monotonic_ms();
  auto stream = TRY(io::TlsStream::connect(std::move(fd), way.host, context, deadline_ms - std::min(now, deadline_ms),
                                           interrupt_fd));
  return std::unique_ptr<ByteStream>(std::make_unique<TlsByteStream>(std::move(stream)));
}

}  // namespace

Result<std::unique_ptr<Interrupt>> Interrupt::make() {
  io::Fd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "eventfd");
  return std::unique_ptr<Interrupt>(std::make_unique<EventInterrupt>(std::move(fd)));
}

Result<std::unique_ptr<ByteStream>> open_stream(const Way& way, const Interrupt& interrupt, uint64_t timeout_ms) {
  auto stream = open_any(way, interrupt.fd(), deadline_in(timeout_ms));
  if (!stream.has_value()) return stream.error().with_context(way.host + " port " + std::to_string(way.port));
  return stream;
}

Status check_tls(const io::TlsFiles& files) {
  if (!files.authority.empty()) TRY(io::TlsContext::for_client(files));
  return {};
}

}  // namespace mcloud::kv
