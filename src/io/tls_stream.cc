#include "io/tls_stream.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/clock.h"

namespace mcloud::io {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kWriteBytes = 256 << 10;  // encrypted at a time
constexpr uint64_t kYearMs = 365ull * 86'400'000;

uint64_t now_ms() { return SystemClock().monotonic_ms(); }
uint64_t deadline_in(uint64_t timeout_ms) { return now_ms() + std::min(timeout_ms, kYearMs); }

Status wait_for(int fd, short events, uint64_t deadline_ms, int interrupt_fd = -1) {
  for (;;) {
    uint64_t now = now_ms();
    pollfd both[] = {{fd, events, 0}, {interrupt_fd, POLLIN, 0}};  // poll() leaves a descriptor of -1 out
    int timeout = now >= deadline_ms ? 0 : static_cast<int>(std::min<uint64_t>(deadline_ms - now, 60'000));
    int ready = poll(both, 2, timeout);
    if (ready > 0 && both[1].revents != 0) return make_error(Code::Cancelled, "interrupted");
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return errno_error(errno, "poll");
    if (now >= deadline_ms) return make_error(Code::TimedOut, "no answer in time");
  }
}

Result<Fd> connect_one(const addrinfo& address, uint64_t deadline_ms) {
  Fd fd(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  if (connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return make_error(Code::Unavailable, std::strerror(errno));
    TRY(wait_for(fd.get(), POLLOUT, deadline_ms));
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return make_error(Code::Unavailable, std::strerror(error));
  }
  int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

Result<Fd> connect_tcp(const std::string& host, uint16_t port, uint64_t timeout_ms) {
  uint64_t deadline_ms = deadline_in(timeout_ms);
  std::string service = std::to_string(port), where = host + " port " + service;
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  if (int error = getaddrinfo(host.c_str(), service.c_str(), &wanted, &found); error != 0)
    return make_error(Code::Unavailable, "connect to " + where + ": " + gai_strerror(error));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  std::string why = "no address";
  for (addrinfo* address = found; address != nullptr; address = address->ai_next) {
    Result<Fd> fd = connect_one(*address, deadline_ms);
    if (fd) return fd;
    why = fd.error().message;
  }
  return make_error(Code::Unavailable, "connect to " + where + ": " + why);
}

Result<std::unique_ptr<TlsStream>> TlsStream::connect(Fd socket, const std::string& name,
                                                      std::shared_ptr<const TlsContext> context, uint64_t timeout_ms,
                                                      int interrupt_fd) {
  uint64_t deadline_ms = deadline_in(timeout_ms);
  auto session = TRY(TlsSession::connect(std::move(context), name));
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(socket), std::move(session), interrupt_fd));
  while (!stream->session_->is_ready()) {
    TRY(stream->send_all(deadline_ms));
    TRY(stream->receive_some(deadline_ms));
    if (stream->has_ended_ && !stream->session_->is_ready())
      return make_error(Code::Unavailable, "TLS: the connection ended during the handshake");
  }
  TRY(stream->send_all(deadline_ms));
  return stream;
}

TlsStream::~TlsStream() {
  session_->end();
  BytesView rest = session_->outgoing();
  if (!rest.empty()) static_cast<void>(::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

Status TlsStream::wait(short events, uint64_t deadline_ms) const {
  return wait_for(socket_.get(), events, deadline_ms, interrupt_fd_);
}

Status TlsStream::send_all(uint64_t deadline_ms) {
  while (!session_->outgoing().empty()) {
    BytesView bytes = session_->outgoing();
    ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
      session_->sent(static_cast<size_t>(sent));
    else if (errno == EAGAIN)
      TRY(wait(POLLOUT, deadline_ms));
    else if (errno != EINTR)
      return make_error(Code::Unavailable, std::string("send: ") + std::strerror(errno));
  }
  return {};
}

// One piece from the socket; what it says is in plain_.
Status TlsStream::receive_some(uint64_t deadline_ms) {
  char buffer[kReadBytes];
  ssize_t got;
  while ((got = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT)) < 0) {
    if (errno == EAGAIN)
      TRY(wait(POLLIN, deadline_ms));
    else if (errno != EINTR)
      return make_error(Code::Unavailable, std::string("receive: ") + std::strerror(errno));
  }
  if (got == 0) {
    has_ended_ = true;
    return {};
  }
  Status received = session_->receive({buffer, static_cast<size_t>(got)}, plain_);
  has_ended_ |= session_->has_ended();
  // Also when it failed: the peer is told why.
  Status sent = send_all(deadline_ms);
  return received ? sent : received;
}

Status TlsStream::write(BytesView bytes, uint64_t timeout_ms) {
  uint64_t deadline_ms = deadline_in(timeout_ms);
  while (!bytes.empty()) {
    BytesView piece = bytes.substr(0, kWriteBytes);
    bytes.remove_prefix(piece.size());
    TRY(session_->write(piece));
    TRY(send_all(deadline_ms));
  }
  return {};
}

Result<size_t> TlsStream::read(char* to, size_t size, uint64_t timeout_ms) {
  uint64_t deadline_ms = deadline_in(timeout_ms);
  while (!has_bytes()) {
    if (has_ended_) return size_t{0};
    plain_.clear();
    begin_ = 0;
    TRY(receive_some(deadline_ms));
  }
  size_t taken = std::min(size, plain_.size() - begin_);
  std::memcpy(to, plain_.data() + begin_, taken);
  begin_ += taken;
  return taken;
}

}  // namespace mcloud::io
