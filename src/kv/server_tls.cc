// Connections under TLS: what they read and send passes through a session of io/tls.h. The handshake runs on the loop,
// piece by piece as it comes.
#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "kv/server_loop.h"

namespace mcloud::kv {
namespace {

constexpr size_t kPieceBytes = 64 << 10;  // encrypted at a time, so that what waits for a slow client stays small

}  // namespace

// False: no session could be made.
bool ServerLoop::begin_tls(Connection& connection, const std::shared_ptr<const io::TlsContext>& context) {
  auto session = io::TlsSession::accept(context);
  if (!session) {
    log::warning("kv", "no TLS for a connection", {{"reason", session.error().message}});
    return false;
  }
  connection.tls = std::move(*session);
  state_.add_memory(io::TlsSession::kMemoryBytes);
  // Half handshakes cost memory and say nothing about who begins them: the oldest makes room.
  if (handshaking_.size() >= options_.handshakes_max) {
    auto oldest = connections_.find(*handshaking_.begin());
    handshaking_.erase(handshaking_.begin());
    oldest->second->is_dead = true;
    touch(*oldest->second);
  }
  connection.accepted_ms = now_ms_;
  handshaking_.insert(connection.session.identity().id);
  needs_tick_ = true;
  return true;
}

void ServerLoop::end_tls(Connection& connection) {
  state_.add_memory(-static_cast<int64_t>(io::TlsSession::kMemoryBytes));
  handshaking_.erase(connection.session.identity().id);
  connection.tls->end();
  BytesView rest = connection.tls->outgoing();
  if (!rest.empty() && !connection.is_blocked) send(connection.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
}

void ServerLoop::read_tls(Connection& connection, Round& round) {
  char* to = scratch_.get() + arrived_;  // behind what others have sent in this round
  ssize_t got = recv(connection.fd.get(), to, kReadBytes, 0);
  after_read(connection, got);
  if (got <= 0) return;
  decrypted_.clear();
  Status received = connection.tls->receive({to, static_cast<size_t>(got)}, decrypted_);
  if (connection.tls->is_ready()) handshaking_.erase(connection.session.identity().id);
  if (!decrypted_.empty()) connection.session.feed(decrypted_, round);
  connection.has_ended |= connection.tls->has_ended();
  if (received) return;
  tallies_.tls_failures.add();
  connection.is_dead = true;  // end_tls() sends the alert that says why
}

void ServerLoop::send_tls(Connection& connection) {
  io::TlsSession& tls = *connection.tls;
  while (!connection.is_blocked) {
    if (tls.outgoing().empty() && tls.is_ready()) {
      BytesView plain = connection.session.sendable().substr(0, kPieceBytes);
      if (plain.empty()) return;
      connection.is_dead = !tls.write(plain).has_value();
      if (connection.is_dead) return;
      connection.session.sent(plain.size());
    }
    BytesView bytes = tls.outgoing();
    if (bytes.empty()) return;
    ssize_t sent = send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (!after_send(connection, sent, bytes.size())) return;
    if (sent > 0) tls.sent(static_cast<size_t>(sent));
  }
}

}  // namespace mcloud::kv
