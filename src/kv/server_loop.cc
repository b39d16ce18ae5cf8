#include "kv/server_loop.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>  // numbers of connections, over all loops
#include <cerrno>

#include "base/log.h"
#include "kv/planted.h"

namespace mcloud::kv {
namespace {

constexpr size_t kLargeBytes = 64 << 10;  // replies of so much are sent at once
constexpr size_t kArrivalsMax = 16;  // connections that are read before their requests are run
constexpr size_t kDirectBytes = 32 << 10;    // a value of which so much is missing is read straight to its place
constexpr size_t kDirectBytesMax = 1 << 20;
constexpr size_t kSmallBytes = 64 << 10;  // a session may always have so much
constexpr size_t kIdleBytes = 4 << 10;    // a quiet session gives more than this back
constexpr uint64_t kTickMs = 250;
constexpr uint64_t kStuckMs = 1000;       // under pressure, who holds much and does not move
constexpr uint64_t kDrippingMs = 10'000;  // or moves too little
constexpr size_t kEventsMax = 256;
constexpr uint64_t kInboxKey = 0;
constexpr uint64_t kFirstConnection = 1024;  // lower keys are doors

std::atomic<uint64_t> next_client{1};

}  // namespace

Result<std::unique_ptr<ServerLoop>> ServerLoop::make(ServerState& state, io::Pool& workers,
                                                     const ServerOptions& options) {
  std::unique_ptr<ServerLoop> loop(new ServerLoop(state, workers, options));
  loop->inbox_ = TRY(Inbox::make());
  loop->epoll_ = io::Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_.is_open()) return errno_error(errno, "epoll");
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kInboxKey}};
  if (epoll_ctl(loop->epoll_.get(), EPOLL_CTL_ADD, loop->inbox_->fd(), &event) != 0) return errno_error(errno, "epoll");
  return loop;
}

ServerLoop::ServerLoop(ServerState& state, io::Pool& workers, const ServerOptions& options)
    : state_(state),
      tallies_(state.make_tallies()),
      workers_(workers),
      options_(options),
      scratch_(std::make_unique_for_overwrite<char[]>(2 * kReadBytes)),
      next_id_(kFirstConnection) {}

ServerLoop::~ServerLoop() { inbox_->close(); }

Status ServerLoop::listen(Listening listening, Dispatch dispatch) {
  doors_.push_back(std::make_unique<Door>(Door{std::move(listening), std::move(dispatch)}));
  epoll_event event{.events = EPOLLIN, .data = {.u64 = doors_.size()}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doors_.back()->listening.fd.get(), &event) != 0)
    return errno_error(errno, "epoll");
  return {};
}

void ServerLoop::stop() {
  inbox_->post([this] { is_stopping_ = true; });
}

// Connections that are on their way when the loop ends are closed with the function that holds them.
void ServerLoop::adopt(Accepted accepted) {
  auto held = std::make_shared<Accepted>(std::move(accepted));
  inbox_->post([this, held] { take(std::move(*held)); });
}

// --- what sessions and rounds ask

void ServerLoop::post(uint64_t session, uint64_t ticket, Bytes bytes) {
  inbox_->post([this, session, ticket, bytes = std::move(bytes)] {
    auto found = connections_.find(session);
    if (found == connections_.end()) return;
    found->second->session.deliver(ticket, bytes);
    touch(*found->second);
  });
}

void ServerLoop::run_elsewhere(uint64_t session, uint64_t ticket, std::function<Bytes()> work) {
  bool is_taken = workers_.submit([this, session, ticket, work = std::move(work)] { post(session, ticket, work()); });
  if (!is_taken) post(session, ticket, "-ERR too much runs already, try again later\r\n");
}

void ServerLoop::when_durable(const SpacePtr& space, Position position) {
  // The store may call after this loop has ended: the inbox lives as long as somebody holds it.
  auto told = [this, space, position, begin_us = round_us_, updates = std::exchange(tallies_.round_updates, 0)](
                  const Status& status) {
    tallies_.updates.add(state_.clock().monotonic_us() - begin_us, updates);
    for (auto& [id, connection] : connections_) {
      if (!connection->session.has_barriers()) continue;
      connection->session.durable(*space, position, status);
      touch(*connection);
    }
  };
  when_acknowledged(space, position, [inbox = inbox_, told = std::move(told)](Status status) {
    inbox->post([told, status = std::move(status)] { told(status); });
  });
}

// --- connections come

void ServerLoop::accept_all(Door& door) {
  for (;;) {
    Result<Accepted> accepted = accept_one(door.listening);
    if (!accepted) {  // nothing to give: look again at the next tick, not in a circle
      log::warning("kv", "cannot accept connections", {{"reason", accepted.error().message}});
      door.is_open = false;
      needs_tick_ = true;
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, door.listening.fd.get(), nullptr);
      return;
    }
    if (!accepted->fd.is_open()) return;
    ConnectionCounters& counters = state_.connections();
    if (counters.now.fetch_add(1) >= options_.connections_max) {
      counters.now.fetch_sub(1);
      counters.refused.fetch_add(1);
      constexpr std::string_view kRefusal = "-ERR max number of clients reached\r\n";
      if (!door.listening.is_tls)
        send(accepted->fd.get(), kRefusal.data(), kRefusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      continue;
    }
    counters.ever.fetch_add(1);
    door.dispatch(std::move(*accepted));
  }
}

void ServerLoop::take(Accepted accepted) {
  uint64_t id = next_id_++;
  Session::Identity identity{id, next_client.fetch_add(1), std::move(accepted.address), state_.options().dialect,
                             accepted.is_local};
  auto connection = std::make_unique<Connection>(std::move(accepted.fd), state_, *this, std::move(identity));
  connection->progress_ms = now_ms_;
  connection->interest = EPOLLIN;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = id}};
  bool is_good = accepted.tls == nullptr || begin_tls(*connection, accepted.tls);
  if (!is_good || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection->fd.get(), &event) != 0) {
    if (connection->tls != nullptr) end_tls(*connection);
    state_.connections().now.fetch_sub(1);
    return;
  }
  connections_.emplace(id, std::move(connection));
}

// --- rounds

void ServerLoop::run() {
  while (!is_stopping_) {
    int timeout_ms = !ready_.empty() ? 0 : needs_tick_ ? static_cast<int>(kTickMs) : -1;
    run_round(timeout_ms);
  }
  while (!connections_.empty()) close(*connections_.begin()->second);
  inbox_->close();
}

void ServerLoop::run_round(int timeout_ms) {
  epoll_event events[kEventsMax];
  int count = epoll_wait(epoll_.get(), events, kEventsMax, timeout_ms);
  round_us_ = state_.clock().monotonic_us();
  now_ms_ = round_us_ / 1000;
  {
    Round round(*this);
    for (int i = 0; i < count; i++) on_event(events[i].data.u64, events[i].events, round);
    feed_arrivals(round);
    for (uint64_t id : std::exchange(ready_, {})) {
      auto found = connections_.find(id);
      if (found == connections_.end()) continue;
      found->second->session.resume(round);
      send_large(*found->second, round);
      touch(*found->second);
    }
    if constexpr (planted::kRepliesFirst) finish_round();
  }
  finish_round();
  measure_round();
  if (needs_tick_ && now_ms_ - ticked_ms_ >= kTickMs) tick();
}

// All requests of a round are answered when it ends, so they took as long as it: one look at the clock for all.
void ServerLoop::measure_round() {
  uint64_t reads = std::exchange(tallies_.round_reads, 0), updates = std::exchange(tallies_.round_updates, 0);
  if (reads + updates == 0) return;
  uint64_t us = state_.clock().monotonic_us() - round_us_;
  if (reads > 0) tallies_.reads.add(us, reads);
  if (updates > 0) tallies_.updates.add(us, updates);
}

void ServerLoop::on_event(uint64_t key, uint32_t events, Round& round) {
  if (key == kInboxKey) {
    for (std::function<void()>& function : inbox_->take()) function();
    return;
  }
  if (key < kFirstConnection) return accept_all(*doors_[key - 1]);
  auto found = connections_.find(key);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  touch(connection);
  if ((events & EPOLLOUT) != 0) connection.is_blocked = false;
  if ((events & EPOLLIN) != 0) return read_from(connection, round);
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) connection.is_dead = true;
}

// Large requests grow only while there is memory.
bool ServerLoop::is_stalled(const Session& session) const {
  return session.is_inside_request() && session.memory() > kSmallBytes && state_.is_short_of_memory();
}

void ServerLoop::read_from(Connection& connection, Round& round) {
  Session& session = connection.session;
  if (connection.has_ended || !session.wants_input()) return;
  if (is_stalled(session)) return;  // looked at again each tick
  if (connection.tls != nullptr) return read_tls(connection, round);
  size_t missing = session.missing();
  if (missing >= kDirectBytes) {
    size_t space = std::min(missing, kDirectBytesMax);
    ssize_t got = recv(connection.fd.get(), session.read_space(space), space, 0);
    session.grew(space, got > 0 ? static_cast<size_t>(got) : 0);
    after_read(connection, got);
    if (got > 0) session.feed({}, round);
    return;
  }
  char* to = scratch_.get() + arrived_;
  ssize_t got = recv(connection.fd.get(), to, kReadBytes, 0);
  after_read(connection, got);
  if (got <= 0) return;
  arrivals_.push_back({&connection, {to, static_cast<size_t>(got)}});
  arrived_ += static_cast<size_t>(got);
  if (arrivals_.size() == kArrivalsMax || arrived_ > kReadBytes) feed_arrivals(round);
}

// Some connections are read before the first is served, so that the store can fetch for all of them at once.
void ServerLoop::feed_arrivals(Round& round) {
  Lookahead lookahead;
  for (const Arrival& arrival : arrivals_) arrival.connection->session.look(lookahead, arrival.bytes);
  lookahead.fetch();
  for (const Arrival& arrival : arrivals_) {
    arrival.connection->session.feed(arrival.bytes, round);
    send_large(*arrival.connection, round);
  }
  arrivals_.clear();
  arrived_ = 0;
}

// Large replies do not wait for the end of the round, unless they depend on it: their memory serves the next ones, and is
// still in the processor's caches when it is sent.
void ServerLoop::send_large(Connection& connection, const Round& round) {
  if (connection.session.unsent() >= kLargeBytes && !connection.is_dead && !round.depends(connection.session))
    send_to(connection);
}

void ServerLoop::after_read(Connection& connection, ssize_t got) {
  if (got > 0) {
    if (!connection.session.is_inside_request()) connection.request_ms = now_ms_;
    connection.progress_ms = now_ms_;
    tallies_.bytes_in.add(static_cast<uint64_t>(got));
  } else if (got == 0) {
    connection.has_ended = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    connection.is_dead = true;
  }
}

void ServerLoop::touch(Connection& connection) {
  if (std::exchange(connection.is_touched, true)) return;
  touched_.push_back(&connection);
}

void ServerLoop::finish_round() {
  // finish() may end connections, never touch others.
  for (Connection* connection : std::exchange(touched_, {})) finish(*connection);
}

void ServerLoop::finish(Connection& connection) {
  Session& session = connection.session;
  connection.is_touched = false;
  if (!connection.is_dead) send_to(connection);
  if (connection.is_dead || is_finished(connection)) return close(connection);
  if (session.has_requests_left() && !session.is_waiting() && session.unsent() < state_.options().output_bytes_max)
    ready_.push_back(session.identity().id);
  if (std::exchange(connection.commands, session.commands()) != session.commands()) connection.request_ms = now_ms_;
  needs_tick_ |= session.is_inside_request() || unsent(connection) > 0 || session.is_waiting() ||
                 session.memory() > kIdleBytes || is_handshaking(connection);
  update_interest(connection);
}

size_t ServerLoop::unsent(const Connection& connection) const {
  return connection.session.unsent() + (connection.tls != nullptr ? connection.tls->outgoing().size() : 0);
}

// False: no more now, or ever.
bool ServerLoop::after_send(Connection& connection, ssize_t sent, size_t wanted) {
  if (sent < 0) {
    connection.is_blocked = errno == EAGAIN;
    connection.is_dead = errno != EAGAIN && errno != EINTR;
    return !connection.is_dead;
  }
  connection.is_blocked = static_cast<size_t>(sent) < wanted;
  connection.progress_ms = now_ms_;
  tallies_.bytes_out.add(static_cast<uint64_t>(sent));
  return true;
}

void ServerLoop::send_to(Connection& connection) {
  if (connection.tls != nullptr) return send_tls(connection);
  while (!connection.is_blocked) {
    BytesView bytes = connection.session.sendable();
    if (bytes.empty()) return;
    ssize_t sent = send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (!after_send(connection, sent, bytes.size())) return;
    if (sent > 0) connection.session.sent(static_cast<size_t>(sent));
  }
}

bool ServerLoop::is_finished(const Connection& connection) const {
  const Session& session = connection.session;
  if (session.is_over()) return unsent(connection) == 0;
  // The client has sent its last: it gets what it asked for first.
  return connection.has_ended && unsent(connection) == 0 && !session.is_waiting() && !session.has_requests_left() &&
         !session.is_starved();
}

void ServerLoop::update_interest(Connection& connection) {
  const Session& session = connection.session;
  uint32_t wanted = 0;
  if (!connection.has_ended && session.wants_input() && !is_stalled(session)) wanted |= EPOLLIN;
  if (connection.is_blocked) wanted |= EPOLLOUT;
  if (wanted == connection.interest) return;
  epoll_event event{.events = wanted, .data = {.u64 = session.identity().id}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event) != 0) connection.is_dead = true;
  connection.interest = wanted;
}

void ServerLoop::close(Connection& connection) {
  if (connection.tls != nullptr) end_tls(connection);
  state_.connections().now.fetch_sub(1);
  connections_.erase(connection.session.identity().id);
}

// --- time

void ServerLoop::tick() {
  ticked_ms_ = now_ms_;
  needs_tick_ = false;
  for (size_t i = 0; i < doors_.size(); i++) {
    if (doors_[i]->is_open) continue;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i + 1}};
    doors_[i]->is_open = epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doors_[i]->listening.fd.get(), &event) == 0;
    needs_tick_ |= !doors_[i]->is_open;
  }
  bool has_memory = !state_.is_short_of_memory();
  for (auto& [id, connection] : connections_) {
    Session& session = connection->session;
    session.tick(now_ms_);
    connection->is_dead |= is_overdue(*connection, now_ms_);
    if (has_memory && session.is_starved()) session.feed_again();
    needs_tick_ |= session.is_starved();
    if (session.memory() > kIdleBytes && now_ms_ - connection->progress_ms > kStuckMs) session.rest();
    touch(*connection);
  }
  if (!has_memory) sacrifice();
  finish_round();
}

bool ServerLoop::is_overdue(const Connection& connection, uint64_t now_ms) const {
  const Session& session = connection.session;
  if (is_handshaking(connection)) return now_ms - connection.accepted_ms > options_.handshake_ms;
  if (session.is_waiting() || session.has_barriers()) return false;
  uint64_t quiet_ms = now_ms - connection.progress_ms;
  bool is_half = session.is_inside_request() && !session.is_starved();
  if (unsent(connection) > 0 && quiet_ms > options_.unread_ms) return true;
  if (unsent(connection) == 0 && is_half && quiet_ms > options_.half_request_ms) return true;
  if (session.memory() <= kSmallBytes || !state_.is_under_pressure()) return false;
  // Nothing is read from half requests now, so they cannot move; but who had so much time is not coming.
  if (is_half) return now_ms - connection.request_ms > kDrippingMs;
  return session.unsent() > 0 && quiet_ms > kStuckMs;
}

// All memory may be in half requests that wait for each other: the oldest makes room, one at a time.
void ServerLoop::sacrifice() {
  Connection* oldest = nullptr;
  for (auto& [id, connection] : connections_) {
    const Session& session = connection->session;
    bool is_half = session.is_inside_request() && !session.is_starved() && !session.is_waiting();
    if (!is_half || connection->is_dead || session.memory() <= kSmallBytes) continue;
    auto age = [](const Connection& c) { return std::pair(c.request_ms, c.session.identity().id); };
    if (oldest == nullptr || age(*connection) < age(*oldest)) oldest = connection.get();
  }
  if (oldest != nullptr) oldest->is_dead = true;
}

}  // namespace mcloud::kv
