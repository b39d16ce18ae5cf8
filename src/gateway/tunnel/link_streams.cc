// A link's streams and their local sockets.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "gateway/tunnel/link.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kConnectUs = 3'000'000;  // the node's: to the target
constexpr uint64_t kAnswerUs = 5'000'000;   // the gateway's: for the node's answer
constexpr size_t kKeptBacklog = 64 << 10;

void reset_on_close(int fd) {
  linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

Link::Conduit* Link::find(uint32_t stream) {
  auto found = conduits_.find(stream);
  return found == conduits_.end() ? nullptr : found->second.get();
}

// --- they begin

bool Link::offer(uint32_t target, io::Fd& socket) {
  if (!is_up()) return false;
  Result<uint32_t> stream = session_->open(target);
  if (!stream) return false;
  auto conduit = std::make_unique<Conduit>(*this, *stream, target, std::move(socket));
  conduit->deadline_us = poller_.now_us() + kAnswerUs;
  conduits_.emplace(*stream, std::move(conduit));
  ++opening_;
  poller_.touch(*this);
  return true;
}

void Link::connect(uint32_t stream, uint32_t target, io::Fd socket) {
  auto conduit = std::make_unique<Conduit>(*this, stream, target, std::move(socket));
  conduit->deadline_us = poller_.now_us() + kConnectUs;
  if (!poller_.add(conduit->socket.get(), *conduit)) return refuse(stream, Refusal::CannotConnect);
  conduits_.emplace(stream, std::move(conduit));
  ++opening_;
}

void Link::refuse(uint32_t stream, Refusal refusal) {
  session_->refuse(stream, refusal);
  poller_.touch(*this);
}

void Link::finish_local_connect(Conduit& conduit) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(conduit.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    session_->refuse(conduit.stream, Refusal::CannotConnect);
    return remove(conduit, Ending::Broken);
  }
  session_->opened(conduit.stream);
  begin_flow(conduit);
}

void Link::begin_flow(Conduit& conduit) {
  conduit.is_open = true;
  --opening_;
  session_->set_readable(conduit.stream);
}

void Link::check_opening() {
  std::vector<Conduit*> late;
  for (auto& [stream, conduit] : conduits_) {
    if (!conduit->is_open && poller_.now_us() > conduit->deadline_us) late.push_back(conduit.get());
  }
  for (Conduit* conduit : late) {
    if (options_.role == Session::Role::Node)
      session_->refuse(conduit->stream, Refusal::TimedOut);
    else
      session_->reset(conduit->stream);
    remove(*conduit, Ending::Broken);
  }
}

// --- what the peer says

void Link::on_ready() { owner_.on_up(*this); }
void Link::on_announced(uint32_t target, BytesView name) { owner_.on_announced(*this, target, name); }
void Link::on_withdrawn(uint32_t target) { owner_.on_withdrawn(*this, target); }
void Link::on_open(uint32_t stream, uint32_t target) { owner_.on_open(*this, stream, target); }
void Link::on_goaway() { owner_.on_goaway(*this); }

void Link::on_opened(uint32_t stream) {
  Conduit* conduit = find(stream);
  if (conduit == nullptr) return session_->reset(stream);
  if (!poller_.add(conduit->socket.get(), *conduit, Poller::Interest::Bytes)) return break_off(*conduit);
  begin_flow(*conduit);
}

void Link::on_refused(uint32_t stream, Refusal) {
  if (Conduit* conduit = find(stream)) remove(*conduit, Ending::Broken);
}

void Link::on_data(uint32_t stream, BytesView bytes) {
  Conduit* conduit = find(stream);
  if (conduit == nullptr) return session_->reset(stream);
  bytes_in_ += bytes.size();
  write(*conduit, bytes);
}

void Link::on_end(uint32_t stream) {
  Conduit* conduit = find(stream);
  if (conduit == nullptr) return session_->reset(stream);
  conduit->has_got_end = true;
  after_write(*conduit);
}

// After its end a reset means: I have said all, and want to hear no more.
void Link::on_reset(uint32_t stream) {
  Conduit* conduit = find(stream);
  if (conduit == nullptr) return;
  if (!conduit->has_got_end) return remove(*conduit, Ending::Broken);
  conduit->is_orphan = conduit->has_read_end = true;
  close_if_done(*conduit);
}

// --- to the socket

void Link::write(Conduit& conduit, BytesView bytes) {
  size_t size = bytes.size();
  if (conduit.backlog.empty() && !conduit.is_deaf) {
    ssize_t sent = send(conduit.socket.get(), bytes.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) became_deaf(conduit);
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
  }
  if (conduit.is_deaf) bytes = {};
  conduit.backlog += bytes;
  ask_for_room(conduit);
  if (size > bytes.size()) session_->consumed(conduit.stream, size - bytes.size());
}

// Only the gateway's sockets are asked: those of TCP tell of room by themselves, once.
void Link::ask_for_room(Conduit& conduit) {
  bool waits = !conduit.backlog.empty();
  if (waits == conduit.waits_for_room || options_.role == Session::Role::Node || !conduit.socket.is_open()) return;
  conduit.waits_for_room = waits;
  poller_.change(conduit.socket.get(), waits ? Poller::Interest::BytesAndRoom : Poller::Interest::Bytes);
}

void Link::flush_backlog(Conduit& conduit) {
  size_t before = conduit.done;
  while (conduit.done < conduit.backlog.size() && !conduit.is_deaf) {
    ssize_t sent = send(conduit.socket.get(), conduit.backlog.data() + conduit.done,
                        conduit.backlog.size() - conduit.done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) became_deaf(conduit);
    if (sent > 0) conduit.done += static_cast<size_t>(sent);
  }
  if (conduit.is_deaf) conduit.done = conduit.backlog.size();
  size_t gone = conduit.done - before;
  if (conduit.done == conduit.backlog.size()) {
    conduit.backlog.clear();
    conduit.done = 0;
    if (conduit.backlog.capacity() > kKeptBacklog) conduit.backlog.shrink_to_fit();
  } else if (conduit.done > conduit.backlog.size() / 2) {
    conduit.backlog.erase(0, conduit.done);
    conduit.done = 0;
  }
  if (gone > 0) session_->consumed(conduit.stream, gone);
  ask_for_room(conduit);
  after_write(conduit);
}

void Link::after_write(Conduit& conduit) {
  if (!conduit.has_got_end || conduit.is_shut || !conduit.backlog.empty()) return;
  conduit.is_shut = true;
  if (!conduit.is_deaf) shutdown(conduit.socket.get(), SHUT_WR);
  close_if_done(conduit);
}

// It takes nothing more, but what it has said already may be worth hearing.
void Link::became_deaf(Conduit& conduit) {
  conduit.is_deaf = conduit.is_hung_up = true;
  if (conduit.has_read_end) return break_off(conduit);
  session_->set_readable(conduit.stream);
  poller_.touch(*this);
}

// --- from the socket

void Link::on_conduit_events(Conduit& conduit, uint32_t events) {
  if (is_over_) return;
  poller_.touch(*this);
  if (!conduit.is_open) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) finish_local_connect(conduit);
    return;
  }
  if (conduit.is_orphan && (events & (EPOLLHUP | EPOLLERR)) != 0) return remove(conduit, Ending::Broken);
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) conduit.is_hung_up = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) session_->set_readable(conduit.stream);
  if ((events & EPOLLOUT) != 0 && !conduit.backlog.empty()) flush_backlog(conduit);
}

void Link::read_conduit(const Session::Turn& turn) {
  Conduit* conduit = find(turn.stream);
  if (conduit == nullptr || conduit->has_read_end) return session_->finish_turn(turn, 0, false);
  ssize_t got = recv(conduit->socket.get(), turn.space, turn.size, MSG_DONTWAIT);
  if (got > 0) {
    auto size = static_cast<size_t>(got);
    bytes_out_ += size;
    // A short read has emptied it, and epoll will say when more comes; an end has been said already.
    return session_->finish_turn(turn, size, size == turn.size || conduit->is_hung_up);
  }
  bool is_error = got < 0 && errno != EAGAIN && errno != EINTR;
  session_->finish_turn(turn, 0, got < 0 && errno == EINTR);
  if (is_error) return break_off(*conduit);
  if (got < 0) return;
  conduit->has_read_end = true;
  session_->end(conduit->stream);
  if (conduit->is_deaf) return break_off(*conduit);
  close_if_done(*conduit);
}

// --- they end

void Link::close_if_done(Conduit& conduit) {
  if (conduit.has_read_end && conduit.is_shut) remove(conduit, Ending::Clean);
}

void Link::break_off(Conduit& conduit) {
  session_->reset(conduit.stream);
  remove(conduit, Ending::Broken);
}

void Link::remove(Conduit& conduit, Ending ending) {
  auto found = conduits_.find(conduit.stream);
  if (found == conduits_.end()) return;  // twice in one round
  if (!conduit.is_open) --opening_;
  poller_.remove(conduit.socket.get());
  if (conduit.socket.is_open() && ending == Ending::Broken) reset_on_close(conduit.socket.get());
  conduit.socket.reset();
  removed_.push_back(std::move(found->second));
  conduits_.erase(found);
  poller_.touch(*this);
}

Result<uint32_t> Link::announce(BytesView name) {
  poller_.touch(*this);
  return session_->announce(name);
}

void Link::withdraw(uint32_t target) {
  if (session_ == nullptr) return;
  session_->withdraw(target);
  poller_.touch(*this);
  std::vector<Conduit*> leaving;
  for (auto& [stream, conduit] : conduits_) {
    if (conduit->target == target) leaving.push_back(conduit.get());
  }
  for (Conduit* conduit : leaving) break_off(*conduit);
}

}  // namespace mcloud::gateway
