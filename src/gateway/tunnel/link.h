// One TCP connection of the tunnel: TLS between two that know each other's keys, a session in it, and the local socket of
// each stream. Belongs to one loop.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "gateway/tunnel/poller.h"
#include "gateway/tunnel/session.h"
#include "io/tls.h"

namespace mcloud::gateway {

class Link;

// What a link asks of whoever has it.
class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  virtual void on_up(Link& link) = 0;  // peer() is known and has said Hello
  virtual void on_announced(Link& link, uint32_t target, BytesView name) = 0;
  virtual void on_withdrawn(Link& link, uint32_t target) = 0;
  // The node: connect() or refuse().
  virtual void on_open(Link& link, uint32_t stream, uint32_t target) = 0;
  // The gateway: the target never heard of this connection, nothing of it has been read.
  virtual void on_unopened(Link& link, uint32_t target, io::Fd socket) = 0;
  virtual void on_goaway(Link& link) = 0;
  // The last word of it. It may be destroyed when the round is over, not before.
  virtual void on_over(Link& link, const Error& why) = 0;
};

class Link final : public Watcher, public SessionEvents {
 public:
  struct Options {
    Session::Role role;
    SessionLimits limits = {};
    std::shared_ptr<const io::TlsContext> tls;
    NodeId peer;  // the node: of the gateway that is dialed
  };
  // `socket` is being connected, or was accepted. Poller and owner are borrowed.
  static Result<std::unique_ptr<Link>> begin(io::Fd socket, const Options& options, Poller& poller, LinkOwner& owner);
  ~Link() override;

  // Deadlines and pings: at least every 250 ms.
  void tick();
  // Its streams end, its peer hears why; on_over() follows.
  void end(const Error& why);
  void drain();

  // --- the gateway: a new connection to a target leads through this link. False: it takes none, `socket` is still there
  bool offer(uint32_t target, io::Fd& socket);
  // --- the node
  Result<uint32_t> announce(BytesView name);
  void withdraw(uint32_t target);  // ends its streams
  void connect(uint32_t stream, uint32_t target, io::Fd socket);  // that is being connected
  void refuse(uint32_t stream, Refusal refusal);

  const NodeId& peer() const { return peer_; }
  bool is_up() const { return !is_over_ && session_ != nullptr && session_->is_ready(); }
  bool was_up() const { return session_ != nullptr && session_->is_ready(); }
  bool is_over() const { return is_over_; }
  bool is_draining() const { return session_ != nullptr && session_->is_draining(); }
  bool is_quiet() const { return session_ == nullptr || session_->is_quiet(poller_.now_us()); }
  size_t streams() const { return conduits_.size(); }
  uint64_t begun_us() const { return begun_us_; }
  struct Counts {
    uint64_t streams = 0, bytes_in = 0, bytes_out = 0, rtt_us = 0;
  };
  Counts counts() const;

 private:
  // The local socket of a stream.
  struct Conduit final : Watcher {
    Conduit(Link& its_link, uint32_t number, uint32_t its_target, io::Fd its_socket)
        : link(its_link), stream(number), target(its_target), socket(std::move(its_socket)) {}
    void on_events(uint32_t events) override { link.on_conduit_events(*this, events); }
    Link& link;
    const uint32_t stream, target;
    io::Fd socket;
    Bytes backlog;  // for the socket, from `done` on
    size_t done = 0;
    uint64_t deadline_us = 0;    // until it is open
    bool is_open = false;        // for both sides
    bool is_hung_up = false;     // its end is to be read
    bool has_read_end = false;   // the peer was told
    bool has_got_end = false;    // the peer sends no more
    bool is_shut = false;        // and the socket was told
    bool waits_for_room = false;  // and is told of it
    bool is_deaf = false;        // takes no more bytes; may have some to give
    bool is_orphan = false;      // the stream is gone; the backlog is still worth sending
  };
  using Conduits = std::unordered_map<uint32_t, std::unique_ptr<Conduit>>;

  Link(io::Fd socket, const Options& options, Poller& poller, LinkOwner& owner);
  void on_events(uint32_t events) override;
  void on_turn() override;
  Status finish_connect();
  Status greet();
  Status read_some();
  Status hear(BytesView bytes);
  Status flush();
  Status send_some();
  bool pump();
  void read_conduit(const Session::Turn& turn);
  Status check_deadlines();
  void finish(const Error& why);

  // SessionEvents
  void on_ready() override;
  void on_announced(uint32_t target, BytesView name) override;
  void on_withdrawn(uint32_t target) override;
  void on_open(uint32_t stream, uint32_t target) override;
  void on_opened(uint32_t stream) override;
  void on_refused(uint32_t stream, Refusal refusal) override;
  void on_data(uint32_t stream, BytesView bytes) override;
  void on_end(uint32_t stream) override;
  void on_reset(uint32_t stream) override;
  void on_goaway() override;

  // link_streams.cc
  void on_conduit_events(Conduit& conduit, uint32_t events);
  void finish_local_connect(Conduit& conduit);
  void write(Conduit& conduit, BytesView bytes);
  void ask_for_room(Conduit& conduit);
  void flush_backlog(Conduit& conduit);
  void after_write(Conduit& conduit);
  void became_deaf(Conduit& conduit);
  void begin_flow(Conduit& conduit);
  void close_if_done(Conduit& conduit);
  void break_off(Conduit& conduit);  // both ways, told to both sides
  enum class Ending { Clean, Broken };
  void remove(Conduit& conduit, Ending ending);
  void check_opening();
  Conduit* find(uint32_t stream);

  const Options options_;
  Poller& poller_;
  LinkOwner& owner_;
  io::Fd socket_;
  NodeId peer_;
  std::unique_ptr<io::TlsSession> tls_;
  std::unique_ptr<Session> session_;
  Conduits conduits_;
  std::vector<std::unique_ptr<Conduit>> removed_;  // until the round is over
  size_t opening_ = 0;                             // conduits
  uint64_t begun_us_, progress_us_;
  uint64_t bytes_in_ = 0, bytes_out_ = 0;
  bool is_connecting_;
  bool is_readable_ = false, is_blocked_ = false;
  bool is_over_ = false;
};

}  // namespace mcloud::gateway
