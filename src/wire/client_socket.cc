#include "wire/client_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/clock.h"
#include "wire/client_connect.h"

namespace mcloud::wire {
namespace {

constexpr size_t kPieceBytes = 64 << 10;  // that TLS encrypts or decrypts at a time

}  // namespace

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

uint64_t deadline_in(uint64_t timeout_ms) {
  constexpr uint64_t year_ms = 365ull * 86'400'000;
  return now_ms() + std::min(timeout_ms, year_ms);
}

Result<ClientSocket> ClientSocket::connect(const Endpoint& endpoint, uint64_t deadline_ms,
                                           const ClientSocketOptions& options) {
  auto connect = [&]() -> Result<ClientSocket> {
    ClientSocket socket(TRY(connect_endpoint(endpoint, deadline_ms, options.interrupt_fd)), options.interrupt_fd);
    if (endpoint.is_tls) TRY(socket.start_tls(endpoint.host, options.tls, deadline_ms));
    return socket;
  };
  return connect().with_context("connect to " + endpoint.text);
}

Status ClientSocket::start_tls(const std::string& host, std::shared_ptr<const io::TlsContext> context,
                               uint64_t deadline_ms) {
  if (context == nullptr) context = TRY(io::TlsContext::for_client({}));
  tls_ = TRY(io::TlsSession::connect(std::move(context), host));
  while (!tls_->is_ready()) {
    Step step = flush(deadline_ms);
    std::array<char, kPieceBytes> buffer;
    if (step.event == Event::Moved) step = receive_raw(buffer.data(), buffer.size(), deadline_ms);
    if (step.event == Event::Interrupted) return make_error(Code::Cancelled, "interrupted");
    if (step.event == Event::TimedOut) return make_error(Code::Unavailable, "TLS: no answer in time");
    if (step.event == Event::Ended) {
      return make_error(Code::Unavailable, "TLS: the connection ended during the handshake");
    }
    Status received = tls_->receive({buffer.data(), step.bytes}, plain_);
    if (received.has_value()) continue;
    flush(now_ms());  // tells the peer why
    return received;
  }
  if (flush(deadline_ms).event == Event::Moved) return {};
  return make_error(Code::Unavailable, "TLS: the handshake did not end in time");
}

ClientSocket::Step ClientSocket::receive_raw(char* buffer, size_t size, uint64_t deadline_ms) {
  while (true) {
    pollfd interrupt{interrupt_fd_, POLLIN, 0};
    if (interrupt_fd_ >= 0 && poll(&interrupt, 1, 0) > 0) return {Event::Interrupted};
    ssize_t got = ::recv(fd_.get(), buffer, size, MSG_DONTWAIT);
    if (got > 0) return {Event::Moved, static_cast<size_t>(got)};
    if (got == 0) return {Event::Ended};
    if (errno != EAGAIN && errno != EINTR) return {Event::Ended, 0, errno};
    std::array<pollfd, 2> waiting = {{{fd_.get(), POLLIN, 0}, {interrupt_fd_, POLLIN, 0}}};
    if (poll_until(waiting.data(), waiting.size(), deadline_ms) <= 0) return {Event::TimedOut};
    if (waiting[1].revents != 0) return {Event::Interrupted};
  }
}

ClientSocket::Step ClientSocket::send_raw(BytesView bytes, uint64_t deadline_ms) {
  while (true) {
    ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) return {Event::Moved, static_cast<size_t>(sent)};
    if (errno != EAGAIN && errno != EINTR) return {Event::Ended, 0, errno};
    std::array<pollfd, 2> waiting = {{{fd_.get(), POLLIN | POLLOUT, 0}, {interrupt_fd_, POLLIN, 0}}};
    if (poll_until(waiting.data(), waiting.size(), deadline_ms) <= 0) return {Event::TimedOut};
    if (waiting[1].revents != 0) return {Event::Interrupted};
    if ((waiting[0].revents & POLLIN) != 0) return {Event::Moved, 0};
  }
}

// Decrypts what comes next; Moved although it was nothing for us. A connection that ends without TLS's own end was
// perhaps cut by somebody, so that is no end in order.
ClientSocket::Step ClientSocket::receive_record(uint64_t deadline_ms) {
  std::array<char, kPieceBytes> buffer;
  if (tls_->has_ended()) return {Event::Ended};
  Step step = receive_raw(buffer.data(), buffer.size(), deadline_ms);
  if (step.event == Event::Ended && step.error_number == 0) step.error_number = ECONNABORTED;
  if (step.event != Event::Moved) return step;
  plain_.clear();
  begin_ = 0;
  if (!tls_->receive({buffer.data(), step.bytes}, plain_).has_value()) return {Event::Ended, 0, EPROTO};
  return step;
}

// All that TLS has for the peer. Moved with 0 bytes: the peer has said something meanwhile.
ClientSocket::Step ClientSocket::flush(uint64_t deadline_ms) {
  while (!tls_->outgoing().empty()) {
    Step step = send_raw(tls_->outgoing(), deadline_ms);
    if (step.event != Event::Moved) return step;
    tls_->sent(step.bytes);
    if (step.bytes > 0 || !tls_->is_ready()) continue;
    step = receive_record(deadline_ms);
    if (step.event != Event::Moved || has_plain() || tls_->has_ended()) return {Event::Moved, 0};
  }
  return {Event::Moved, 1};
}

ClientSocket::Step ClientSocket::receive(char* buffer, size_t size, uint64_t deadline_ms) {
  if (tls_ == nullptr) return receive_raw(buffer, size, deadline_ms);
  while (!has_plain()) {
    Step step = receive_record(deadline_ms);
    if (step.event != Event::Moved) return step;
  }
  size_t taken = std::min(size, plain_.size() - begin_);
  std::memcpy(buffer, plain_.data() + begin_, taken);
  begin_ += taken;
  return {Event::Moved, taken};
}

ClientSocket::Step ClientSocket::send(BytesView bytes, uint64_t deadline_ms) {
  if (tls_ == nullptr) return send_raw(bytes, deadline_ms);
  BytesView piece = bytes.substr(0, kPieceBytes);
  if (!tls_->write(piece).has_value()) return {Event::Ended, 0, EPROTO};
  Step step = flush(deadline_ms);
  if (step.event == Event::Moved && step.bytes > 0) step.bytes = piece.size();
  return step;
}

bool ClientSocket::is_stale() {
  pollfd waiting{fd_.get(), POLLIN, 0};
  if (tls_ == nullptr) return poll(&waiting, 1, 0) != 0;
  // TLS has things of its own to say at any time.
  while (!has_plain() && !tls_->has_ended() && poll(&waiting, 1, 0) > 0) {
    if (receive_record(now_ms()).event != Event::Moved) return true;
  }
  return has_plain() || tls_->has_ended();
}

}  // namespace mcloud::wire
