#include "gateway/tunnel/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "gateway/planted.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kHandshakeUs = 5'000'000;  // until the peer's Hello
constexpr uint64_t kStallUs = 10'000'000;     // the peer takes nothing
constexpr size_t kFillBytes = 46 << 10;    // of streams; with one frame more it is encrypted in 64 KiB, which TLS keeps
constexpr size_t kReadBytesMax = 1 << 20;  // in one turn
constexpr int kFillsMax = 16;              // in one turn
constexpr int kUnsentBytes = 256 << 10;    // in the kernel: what is urgent does not wait behind megabytes

Error gone(std::string_view what, int error) {
  return make_error(Code::Unavailable, std::string(what) + ": " + std::strerror(error));
}

}  // namespace

Link::Link(io::Fd socket, const Options& options, Poller& poller, LinkOwner& owner)
    : options_(options),
      poller_(poller),
      owner_(owner),
      socket_(std::move(socket)),
      peer_(options.peer),
      begun_us_(poller.now_us()),
      progress_us_(begun_us_),
      is_connecting_(options.role == Session::Role::Node) {}

Link::~Link() {
  poller_.forget(*this);
  poller_.remove(socket_.get());
  for (auto& [stream, conduit] : conduits_) poller_.remove(conduit->socket.get());
}

Result<std::unique_ptr<Link>> Link::begin(io::Fd socket, const Options& options, Poller& poller, LinkOwner& owner) {
  int on = 1, unsent = kUnsentBytes, fd = socket.get();
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  std::unique_ptr<Link> link(new Link(std::move(socket), options, poller, owner));
  if (options.role == Session::Role::Node)
    link->tls_ = TRY(io::TlsSession::connect(options.tls, ""));
  else
    link->tls_ = TRY(io::TlsSession::accept(options.tls));
  TRY(poller.add(fd, *link));
  return link;
}

void Link::on_events(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) is_readable_ = true;
  if ((events & EPOLLOUT) != 0) is_blocked_ = false;
  poller_.touch(*this);
}

void Link::on_turn() {
  removed_.clear();
  if (is_over_) return;
  Status status = is_connecting_ ? finish_connect() : Status();
  if (status && !is_connecting_) status = read_some();
  if (is_over_) return;
  // Also when it failed: the peer is told why.
  Status flushed = is_connecting_ ? Status() : flush();
  if (status) status = flushed;
  if (!status) return finish(status.error());
  if (session_ != nullptr && session_->is_drained()) finish(make_error(Code::Cancelled, "drained"));
}

Status Link::finish_connect() {
  if (is_blocked_) return {};
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return gone("connect", error);
  sockaddr_storage address;
  socklen_t address_size = sizeof address;
  if (getpeername(socket_.get(), reinterpret_cast<sockaddr*>(&address), &address_size) != 0) return {};  // not yet
  is_connecting_ = false;
  return {};
}

Status Link::read_some() {
  for (size_t read = 0; is_readable_;) {
    if (read >= kReadBytesMax) {
      poller_.touch(*this);
      return {};
    }
    ssize_t got = recv(socket_.get(), poller_.buffer(), Poller::kBufferBytes, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      is_readable_ = false;
      return {};
    }
    if (got < 0) return gone("receive", errno);
    if (got == 0) return make_error(Code::Unavailable, "the peer closed the connection");
    read += static_cast<size_t>(got);
    TRY(hear({poller_.buffer(), static_cast<size_t>(got)}));
  }
  return {};
}

Status Link::hear(BytesView bytes) {
  Bytes& plain = poller_.plain();
  plain.clear();
  Status received = tls_->receive(bytes, plain);
  if (session_ == nullptr && tls_->is_ready()) TRY(greet());
  if (!plain.empty()) TRY(session_->receive(plain, poller_.now_us()));
  TRY(std::move(received));
  if (tls_->has_ended()) return make_error(Code::Unavailable, "the peer ended the connection");
  return {};
}

Status Link::greet() {
  NodeId key = TRY(NodeId::from_bytes(tls_->peer_key()));
  // TLS has believed it; but it may be another one of those that are believed.
  if (!peer_.is_none() && key != peer_ && !planted::kNoPin) return make_error(Code::Denied, "another node answers there");
  peer_ = key;
  session_ = std::make_unique<Session>(options_.role, options_.limits, *this, poller_.now_us());
  return {};
}

// --- out

// True: there is more, but enough for one record after the other.
bool Link::pump() {
  while (session_->outgoing().size() < kFillBytes) {
    auto turn = session_->next_turn();
    if (!turn) return false;
    read_conduit(*turn);
  }
  return true;
}

Status Link::flush() {
  for (int fill = 0;; ++fill) {
    TRY(send_some());
    if (is_blocked_ || session_ == nullptr) return {};
    if (fill == kFillsMax) {
      poller_.touch(*this);
      return {};
    }
    pump();
    if (session_->outgoing().empty()) return {};
    TRY(tls_->write(session_->outgoing()));
    session_->sent_all();
  }
}

// Nothing is added before all has gone: so it stays small.
Status Link::send_some() {
  while (!tls_->outgoing().empty() && !is_blocked_) {
    BytesView bytes = tls_->outgoing();
    ssize_t sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return gone("send", errno);
    if (sent < 0) {
      is_blocked_ = true;
      return {};
    }
    progress_us_ = poller_.now_us();
    tls_->sent(static_cast<size_t>(sent));
  }
  if (tls_->outgoing().empty()) progress_us_ = poller_.now_us();
  return {};
}

// --- time and ends

void Link::tick() {
  if (is_over_) return;
  Status status = check_deadlines();
  if (!status) return finish(status.error());
  if (opening_ > 0) check_opening();
  poller_.touch(*this);
}

Status Link::check_deadlines() {
  uint64_t now_us = poller_.now_us();
  if (!is_up() && now_us > begun_us_ + kHandshakeUs)
    return make_error(Code::TimedOut, is_connecting_ ? "no answer to the connect" : "no handshake in time");
  if (!tls_->outgoing().empty() && now_us > progress_us_ + kStallUs)
    return make_error(Code::TimedOut, "the peer takes nothing");
  if (session_ != nullptr) return session_->tick(now_us);
  return {};
}

void Link::end(const Error& why) {
  if (is_over_) return;
  if (session_ != nullptr) session_->go_away(why.message);
  finish(why);
}

void Link::drain() {
  if (session_ == nullptr) return finish(make_error(Code::Cancelled, "drained"));
  session_->drain();
  poller_.touch(*this);
}

void Link::finish(const Error& why) {
  if (std::exchange(is_over_, true)) return;
  // The last words, if they need no waiting.
  if (session_ != nullptr && tls_->outgoing().empty() && tls_->write(session_->outgoing())) tls_->end();
  if (!is_connecting_) static_cast<void>(send_some());
  poller_.remove(socket_.get());
  socket_.reset();
  while (!conduits_.empty()) {
    Conduit& conduit = *conduits_.begin()->second;
    bool is_unheard = options_.role == Session::Role::Gateway && !conduit.is_open;
    uint32_t target = conduit.target;
    io::Fd socket = is_unheard ? std::move(conduit.socket) : io::Fd();
    remove(conduit, Ending::Broken);
    if (socket.is_open()) owner_.on_unopened(*this, target, std::move(socket));
  }
  owner_.on_over(*this, why);
}

Link::Counts Link::counts() const {
  return {session_ == nullptr ? 0 : session_->streams_ever(), bytes_in_, bytes_out_,
          session_ == nullptr ? 0 : session_->rtt_us()};
}

}  // namespace mcloud::gateway
