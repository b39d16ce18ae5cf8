// One client's conversation: bytes in, bytes out, against namespaces. No socket, no thread: a shell (server_loop.h, or
// a test) feeds it what arrives and sends what may be sent. Belongs to one loop, as its Round.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "kv/commands.h"
#include "kv/lookahead.h"
#include "kv/server_state.h"
#include "kv/session_round.h"
#include "kv/session_tickets.h"
#include "wire/resp.h"

namespace mcloud::kv {

// What a session needs from the loop it belongs to.
class SessionPort : public Mailbox {
 public:
  // Runs `work`, which may take long, somewhere else; what it returns is delivered with `ticket`.
  virtual void run_elsewhere(uint64_t session, uint64_t ticket, std::function<Bytes()> work) = 0;
  // What the loop counts.
  virtual Tallies& tallies() = 0;
};

class Stream;

class Session {
 public:
  struct Identity {
    uint64_t id = 0;      // unique in the loop
    uint64_t client = 0;  // unique in the server
    std::string address;  // of the client, for people
    Dialect dialect = Dialect::Zdb;
    bool is_local = false;  // came by the unix socket
  };

  // `state` and `port` are borrowed.
  Session(ServerState& state, SessionPort& port, Identity identity);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- for the shell
  // Bytes that came; whole requests are run at once, as far as wants_input() allows.
  void feed(BytesView bytes, Round& round);
  // Before feed(): tells what `bytes` will ask for.
  void look(Lookahead& lookahead, BytesView bytes) const;
  // Goes on with what feed() left, after output was sent or something was delivered.
  void resume(Round& round) { feed({}, round); }
  bool has_requests_left() const { return has_more_; }
  // False: read no more for now.
  bool wants_input() const {
    if (stream_) return !is_closing_;
    return !is_waiting() && !is_full() && !is_closing_ && !has_more_ && !is_starved_;
  }
  // A large value is on its way: so many bytes may be read straight to read_space(), then grew().
  size_t missing() const { return input_.size() > begin_ ? parser_.missing() : 0; }
  char* read_space(size_t bytes);
  void grew(size_t space, size_t bytes);
  bool is_inside_request() const { return input_.size() > begin_; }

  BytesView sendable() const;
  void sent(size_t bytes);
  // Everything is said, or will be with what is sendable: close behind it.
  bool is_over() const { return is_closing_ && barriers_.empty() && sent_ == output_.size(); }
  void rest();  // nothing has come or gone for a while: gives empty buffers back
  size_t unsent() const { return output_.size() - sent_; }
  size_t memory() const {
    return input_.capacity() + output_.capacity() + parser_.memory() + memory_of_commands.queued_bytes;
  }
  uint64_t commands() const { return commands_; }
  bool has_barriers() const { return !barriers_.empty(); }
  bool is_waiting() const { return waiting_ticket_ != 0; }
  // A large read waits until the server has memory again.
  bool is_starved() const { return is_starved_; }
  void feed_again();
  void durable(const Space& space, Position position, const Status& status);
  void deliver(uint64_t ticket, Bytes bytes);
  // When something must happen by itself: deliver a timeout.
  std::optional<uint64_t> deadline_ms() const { return deadline_ms_; }
  void tick(uint64_t now_ms);

  // --- for the round
  void replace_reply(uint64_t begin, uint64_t end, const Error& error);
  void add_barrier(const SpacePtr& space, Position position, uint64_t begin, uint64_t end);

  // --- for commands
  ServerState& state() { return state_; }
  Mailbox& mailbox() { return port_; }
  Tallies& tallies() { return tallies_; }
  const Identity& identity() const { return identity_; }
  Dialect dialect() const { return dialect_; }
  void speak(Dialect dialect, wire::RespVersion version);
  wire::RespVersion version() const { return version_; }
  const SpacePtr& space() const { return space_; }
  // Nullptr is never; the epoch that was bound is forgotten.
  void use(SpacePtr space, bool is_writable);
  bool is_writable() const { return is_writable_; }
  bool is_admin() const { return is_admin_; }
  bool is_agent() const { return identity_.is_local && state_.options().has_agent_socket; }
  void make_admin();
  bool is_first_command() const { return commands_ <= 1; }
  void close() { is_closing_ = true; }
  // A hint, before a large reply is made.
  void expect_reply(size_t bytes);
  // The reply comes later: from `work`, off the loop. No request is run before.
  void reply_later(std::function<Bytes()> work);
  // The reply is what is delivered, or `timeout_text` after the time.
  uint64_t wait_for_delivery(uint64_t timeout_ms, std::string timeout_text);
  void listen(Listener listener);
  void become_mirror() { is_mirror_ = true; }
  // Everything from here on is a replication stream (replication/stream.h).
  void become_stream(std::unique_ptr<Stream> stream);

  // Kept for commands.
  struct Version {
    std::optional<uint64_t> sequence;  // of the newest one, a deletion too; nullopt: the key never was
    bool is_expired = false;
    bool operator==(const Version&) const = default;
  };
  struct Watched {
    SpacePtr space;
    std::string key;
    Version version;
  };
  struct Memory {
    std::string nonce;  // of AUTH SECURE CHALLENGE
    bool is_master = false;
    uint64_t owner = 0;  // what a master said last
    uint64_t epoch = 0;  // what the client bound itself to in this namespace
    std::string client_name;
    bool is_in_transaction = false;
    bool is_transaction_refused = false;
    size_t queued_bytes = 0;
    std::vector<std::vector<std::string>> queued;
    std::vector<Watched> watched;
    size_t value_guess = 100;  // size of the value read last
  };
  Memory memory_of_commands;

 private:
  struct Barrier {
    SpacePtr space;
    Position position;
    uint64_t begin;  // no output from here on may be sent
    std::vector<std::pair<uint64_t, uint64_t>> replies;
    std::optional<Status> outcome;
  };

  void feed_stream(BytesView bytes);
  void fill_stream(bool is_rung);
  bool is_full() const { return unsent() >= state_.options().output_bytes_max; }
  uint64_t end_of_output() const { return dropped_ + output_.size(); }
  size_t execute(BytesView bytes, Round& round);
  size_t look_ahead(BytesView bytes) const;
  void run_request(Round& round);
  // A large read that the server has no memory for: as if it had not been looked at.
  bool takes_back(const Command* command, uint64_t begin);
  void account();  // to the server's memory
  void give_back(Bytes& buffer);
  void answer_fault();
  void count(const Command* command, bool is_error);
  void keep_rest(BytesView rest);
  void shift_barriers(uint64_t behind, int64_t by);

  ServerState& state_;
  SessionPort& port_;
  Tallies& tallies_;
  const Identity identity_;
  Dialect dialect_;
  wire::RespVersion version_ = wire::RespVersion::Two;
  wire::RespRequestParser parser_;
  SpacePtr space_;
  bool is_writable_ = true;
  bool is_admin_ = false;
  bool is_closing_ = false;
  bool is_mirror_ = false;
  bool has_more_ = false;
  bool is_starved_ = false;
  uint64_t commands_ = 0;
  uint64_t waiting_ticket_ = 0;
  uint64_t next_ticket_ = 1;
  std::optional<uint64_t> deadline_ms_;
  std::string timeout_text_;

  Bytes input_;  // what is not yet run, from begin_ on
  size_t begin_ = 0;
  Bytes output_;
  size_t sent_ = 0;       // of output_
  uint64_t dropped_ = 0;  // bytes of output before output_
  size_t accounted_ = 0;
  std::deque<Barrier> barriers_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace mcloud::kv
