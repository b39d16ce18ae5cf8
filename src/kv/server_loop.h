// One loop of the server: epoll, its connections, and rounds of read - run - flush - send (session_round.h).
#pragma once

#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "io/loop.h"
#include "io/tls.h"
#include "kv/server.h"
#include "kv/server_inbox.h"
#include "kv/server_socket.h"
#include "kv/session.h"

namespace mcloud::kv {

class ServerLoop final : public SessionPort, public Round::Waiter {
 public:
  // Where accepted connections go: a loop, chosen in turn.
  using Dispatch = std::function<void(Accepted)>;

  // `state` and `workers` are borrowed.
  static Result<std::unique_ptr<ServerLoop>> make(ServerState& state, io::Pool& workers, const ServerOptions& options);
  ~ServerLoop();

  // Before run().
  Status listen(Listening listening, Dispatch dispatch);
  void run();
  // From any thread.
  void stop();
  void adopt(Accepted accepted);

 private:
  struct Connection {
    Connection(io::Fd socket, ServerState& state, SessionPort& port, Session::Identity identity)
        : fd(std::move(socket)), session(state, port, std::move(identity)) {}
    io::Fd fd;
    Session session;
    std::unique_ptr<io::TlsSession> tls;  // nullptr: bytes as they are
    uint64_t accepted_ms = 0;
    uint32_t interest = 0;
    bool is_touched = false;  // something to do at the end of the round
    bool has_ended = false;   // the client sends no more
    bool is_dead = false;
    bool is_blocked = false;   // the socket takes no more for now
    uint64_t commands = 0;     // run when it was looked at last
    uint64_t progress_ms = 0;  // when a byte moved last
    uint64_t request_ms = 0;   // when the half request began
  };
  // What came from a connection and its session has not been fed yet: it lies in scratch_.
  struct Arrival {
    Connection* connection;
    BytesView bytes;
  };
  struct Door {
    Listening listening;
    Dispatch dispatch;
    bool is_open = true;
  };

  static constexpr size_t kReadBytes = 128 << 10;  // of one read

  ServerLoop(ServerState& state, io::Pool& workers, const ServerOptions& options);
  void post(uint64_t session, uint64_t ticket, Bytes bytes) override;
  void run_elsewhere(uint64_t session, uint64_t ticket, std::function<Bytes()> work) override;
  void when_durable(const SpacePtr& space, Position position) override;
  Tallies& tallies() override { return tallies_; }

  void take(Accepted accepted);
  void accept_all(Door& door);
  void run_round(int timeout_ms);
  void on_event(uint64_t key, uint32_t events, Round& round);
  bool is_stalled(const Session& session) const;
  void read_from(Connection& connection, Round& round);
  void after_read(Connection& connection, ssize_t got);
  bool after_send(Connection& connection, ssize_t sent, size_t wanted);
  size_t unsent(const Connection& connection) const;
  void feed_arrivals(Round& round);
  void send_large(Connection& connection, const Round& round);
  void touch(Connection& connection);
  void finish_round();
  void measure_round();
  void finish(Connection& connection);
  void send_to(Connection& connection);
  bool is_finished(const Connection& connection) const;
  void update_interest(Connection& connection);
  void close(Connection& connection);
  void tick();
  bool is_overdue(const Connection& connection, uint64_t now_ms) const;
  void sacrifice();

  bool begin_tls(Connection& connection, const std::shared_ptr<const io::TlsContext>& context);  // server_tls.cc
  void end_tls(Connection& connection);
  void read_tls(Connection& connection, Round& round);
  void send_tls(Connection& connection);
  static bool is_handshaking(const Connection& connection) {
    return connection.tls != nullptr && !connection.tls->is_ready();
  }

  ServerState& state_;
  Tallies& tallies_;
  io::Pool& workers_;
  const ServerOptions options_;
  std::shared_ptr<Inbox> inbox_;
  io::Fd epoll_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> touched_;
  std::vector<uint64_t> ready_;  // have whole requests left
  std::set<uint64_t> handshaking_;  // of TLS, the oldest first
  Bytes decrypted_;
  std::unique_ptr<char[]> scratch_;
  std::vector<Arrival> arrivals_;  // of this round, not fed yet
  size_t arrived_ = 0;             // bytes of scratch_ that are theirs; there is always room for one read more
  uint64_t next_id_;
  uint64_t now_ms_ = 0;
  uint64_t round_us_ = 0;  // when the round began
  uint64_t ticked_ms_ = 0;
  bool needs_tick_ = false;
  bool is_stopping_ = false;
};

}  // namespace mcloud::kv
