#include "lab/forwarded_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "io/clock.h"

namespace mcloud::lab {
namespace {

constexpr uint64_t kStaggerMs = 100;
constexpr uint64_t kConnectTimeoutMs = 5'000;
// When all have been asked they are asked again: a packet may be lost (TCP itself would wait a second), and a
// replica may be just starting. Refusals alone are believed after kPatienceMs.
constexpr uint64_t kPatienceMs = 1'000;
constexpr uint64_t kRoundPauseMs = 20;
constexpr size_t kAttemptsMax = 16;  // that wait at one time
constexpr uint64_t kBadMs = 1'000;
constexpr int kReadsPerTurn = 4;  // then others have theirs

// A node that died in silence ends its connections after about 10 s.
void notice_death(int fd) {
  int on = 1, idle_s = 4, interval_s = 2, count = 3, unanswered_ms = 15'000;
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
  static_cast<void>(::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s));
  static_cast<void>(::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s));
  static_cast<void>(::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count));
  static_cast<void>(::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms));
  static_cast<void>(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

void reset_on_close(int fd) {
  linger at_once{1, 0};
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
}

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

}  // namespace

ForwardedConnection::ForwardedConnection(Forwarder& owner, uint64_t number, io::Fd client,
                                         std::shared_ptr<Forwarder::Candidates> candidates)
    : owner_(owner), number_(number), candidates_(std::move(candidates)), waiting_(candidates_->in_order(now_ms())) {
  std::reverse(waiting_.begin(), waiting_.end());
  notice_death(client.get());
  sides_[0].fd = std::move(client);
}

ForwardedConnection::~ForwardedConnection() {
  owner_.poller_.cancel(stagger_timer_);
  owner_.poller_.cancel(deadline_timer_);
  for (Attempt& attempt : attempts_) owner_.poller_.remove(attempt.fd.get());
  for (Side& side : sides_) {
    if (side.is_watched) owner_.poller_.remove(side.fd.get());
  }
}

void ForwardedConnection::start() {
  deadline_timer_ = owner_.poller_.after(kConnectTimeoutMs, [this] { end(false); });
  patient_until_ms_ = now_ms() + kPatienceMs;
  // Only its hanging up matters before there is somebody to read for.
  if (!watch(0, 0).has_value()) return end(false);
  start_next();
}

void ForwardedConnection::start_next() {
  owner_.poller_.cancel(stagger_timer_);
  while (!waiting_.empty() && attempts_.size() < kAttemptsMax) {
    Target target = std::move(waiting_.back());
    waiting_.pop_back();
    auto fd = owner_.start_connect(target);
    int number = fd.has_value() ? fd->get() : -1;
    if (!fd.has_value() ||
        !owner_.poller_.add(number, EPOLLOUT, [this, number](uint32_t) { on_attempt(number); }).has_value()) {
      candidates_->bad_until_ms[target.text()] = now_ms() + kBadMs;
      continue;
    }
    attempts_.push_back({std::move(target), std::move(fd).value()});
    stagger_timer_ = owner_.poller_.after(kStaggerMs, [this] { start_next(); });
    return;
  }
  if (attempts_.empty() && now_ms() >= patient_until_ms_) return end(false);
  if (attempts_.size() >= kAttemptsMax) return;
  if (waiting_.empty()) {
    waiting_ = candidates_->in_order(now_ms());  // of this moment: there may be other nodes by now
    std::reverse(waiting_.begin(), waiting_.end());
  }
  stagger_timer_ = owner_.poller_.after(attempts_.empty() ? kRoundPauseMs : kStaggerMs, [this] { start_next(); });
}

void ForwardedConnection::on_attempt(int fd) {
  auto found = std::find_if(attempts_.begin(), attempts_.end(), [&](const Attempt& a) { return a.fd.get() == fd; });
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  Attempt attempt = std::move(*found);
  attempts_.erase(found);
  owner_.poller_.remove(fd);
  if (error == 0) return connected(std::move(attempt));
  candidates_->bad_until_ms[attempt.target.text()] = now_ms() + kBadMs;
  start_next();
}

void ForwardedConnection::connected(Attempt winner) {
  owner_.poller_.cancel(stagger_timer_);
  owner_.poller_.cancel(deadline_timer_);
  // Who was asked earlier and has not answered is asked last for a while.
  for (Attempt& loser : attempts_) {
    candidates_->bad_until_ms[loser.target.text()] = now_ms() + kBadMs;
    owner_.poller_.remove(loser.fd.get());
  }
  attempts_.clear();
  candidates_->last_good = winner.target.text();
  candidates_->bad_until_ms.erase(winner.target.text());
  notice_death(winner.fd.get());
  sides_[1].fd = std::move(winner.fd);
  watch_sides();
}

void ForwardedConnection::on_side(size_t index, uint32_t events) {
  bool is_flowing = sides_[1].fd.is_open();
  // Both ways have ended or a reset came; after a half-close only EPOLLRDHUP would show.
  if ((events & EPOLLERR) != 0 || (!is_flowing && (events & EPOLLHUP) != 0)) return end(false);
  if ((events & EPOLLOUT) != 0 && !flush(index)) return end(false);
  if ((events & (EPOLLIN | EPOLLHUP)) != 0 && !read_from(index)) return end(false);
  if (sides_[0].is_finished() && sides_[1].is_finished()) return end(true);
  watch_sides();
}

// False on an error.
bool ForwardedConnection::read_from(size_t index) {
  Side& side = sides_[index];
  Side& other = sides_[1 - index];
  for (int turn = 0; turn < kReadsPerTurn && !side.is_read_out && other.backlog.empty(); ++turn) {
    ssize_t got = ::recv(side.fd.get(), owner_.buffer_.data(), owner_.buffer_.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) side.is_read_out = true;
    if (!write_to(1 - index, std::string_view(owner_.buffer_.data(), static_cast<size_t>(got)))) return false;
  }
  return true;
}

bool ForwardedConnection::write_to(size_t index, std::string_view bytes) {
  Side& side = sides_[index];
  ssize_t sent = bytes.empty() ? 0 : ::send(side.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
  bytes.remove_prefix(sent < 0 ? 0 : static_cast<size_t>(sent));
  if (!bytes.empty()) {
    side.backlog.assign(bytes);
    side.backlog_done = 0;
  }
  return flush(index);
}

// What waits, then the other side's end.
bool ForwardedConnection::flush(size_t index) {
  Side& side = sides_[index];
  while (side.backlog_done < side.backlog.size()) {
    ssize_t sent = ::send(side.fd.get(), side.backlog.data() + side.backlog_done,
                          side.backlog.size() - side.backlog_done, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    side.backlog_done += static_cast<size_t>(sent);
  }
  side.backlog.clear();
  if (side.backlog.capacity() > 0) side.backlog.shrink_to_fit();
  side.backlog_done = 0;
  if (sides_[1 - index].is_read_out && !side.is_shut) {
    side.is_shut = true;
    // ENOTCONN: it has gone already; reading will say so.
    if (::shutdown(side.fd.get(), SHUT_WR) != 0 && errno != ENOTCONN) return false;
  }
  return true;
}

Status ForwardedConnection::watch(size_t index, uint32_t events) {
  Side& side = sides_[index];
  if (side.is_watched) {
    if (events != side.events) owner_.poller_.change(side.fd.get(), events);
  } else {
    TRY(owner_.poller_.add(side.fd.get(), events, [this, index](uint32_t ready) { on_side(index, ready); }));
    side.is_watched = true;
  }
  side.events = events;
  return {};
}

// A side nothing is wanted of is not watched at all: epoll would report its hanging up without end.
void ForwardedConnection::watch_sides() {
  for (size_t index = 0; index < 2; ++index) {
    Side& side = sides_[index];
    uint32_t events = 0;
    if (!side.is_read_out && sides_[1 - index].backlog.empty()) events |= EPOLLIN;
    if (!side.backlog.empty()) events |= EPOLLOUT;
    if (events != 0) {
      if (!watch(index, events).has_value()) return end(false);
    } else if (side.is_watched) {
      owner_.poller_.remove(side.fd.get());
      side.is_watched = false;
    }
  }
}

void ForwardedConnection::end(bool is_clean) {
  if (!is_clean) {
    for (Side& side : sides_) {
      if (side.fd.is_open()) reset_on_close(side.fd.get());
    }
  }
  owner_.finished(number_);
}

}  // namespace mcloud::lab
