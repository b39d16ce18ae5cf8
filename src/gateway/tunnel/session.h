// One connection between a gateway and a node as a state machine: bytes of the peer become events, calls become bytes for
// the peer. Knows no socket and no clock: every moment is passed in. docs/reference/tunnel.md.
//
// The node announces targets, the gateway opens streams to them. A stream ends when both sides have sent Fin, or both
// Reset, or the node Refused; its number is never used again. One thread.
#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "gateway/tunnel/frame.h"
#include "gateway/tunnel/outbox.h"

namespace mcloud::gateway {

// What the peer said. May call the session, but not receive().
class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  virtual void on_ready() = 0;  // its Hello has come
  virtual void on_announced(uint32_t target, BytesView name) = 0;
  virtual void on_withdrawn(uint32_t target) = 0;
  virtual void on_open(uint32_t stream, uint32_t target) = 0;  // answer with opened() or refuse()
  virtual void on_opened(uint32_t stream) = 0;
  virtual void on_refused(uint32_t stream, Refusal refusal) = 0;  // the stream is gone
  // Say consumed() when the bytes have gone on.
  virtual void on_data(uint32_t stream, BytesView bytes) = 0;
  virtual void on_end(uint32_t stream) = 0;    // no more bytes of it will come
  virtual void on_reset(uint32_t stream) = 0;  // the stream is gone, and what was on the way with it
  virtual void on_goaway() = 0;                // the peer wants no more streams
};

struct SessionLimits {
  uint32_t streams_max = 8192;  // open at once; what the node says in its Hello holds for the gateway
  uint32_t targets_max = 4096;
  uint32_t window_first = 64 << 10;   // of a new stream
  uint32_t window_small = 8 << 10;    // when much is unread already
  uint32_t window_max = 4 << 20;      // as far as a window grows
  uint64_t unread_pressure = 32 << 20;  // of all streams: from here on windows are small
  uint64_t unread_max = 96 << 20;       // beyond, the stream with most is reset
  uint32_t control_max = 2 << 20;       // bytes for a peer that does not read
  uint64_t ping_us = 500'000;         // of silence
  uint64_t quiet_us = 1'200'000;
  uint64_t dead_us = 2'500'000;
};

class Session {
 public:
  enum class Role { Gateway, Node };
  // outgoing() holds the Hello. `events` is borrowed.
  Session(Role role, const SessionLimits& limits, SessionEvents& events, uint64_t now_us);

  // An error ends the session; outgoing() then holds a GoAway that says why. Corrupt: the peer breaks the protocol;
  // Unavailable: it ended the session.
  Status receive(BytesView bytes, uint64_t now_us);
  // At least every 250 ms. TimedOut: nothing came for too long. A caller that was late itself does not blame the peer.
  Status tick(uint64_t now_us);
  BytesView outgoing() const { return out_.view(); }
  void sent_all() { out_.clear(); }

  // --- both
  // The stream has bytes, or its end, to read for next_turn().
  void set_readable(uint32_t stream);
  struct Turn {
    uint32_t stream;
    char* space;  // in the outgoing bytes
    size_t size;
  };
  // The stream whose turn it is to send: all that can go round, each a piece at a time. finish_turn() must follow.
  std::optional<Turn> next_turn();
  // `got` bytes have been put there. It `is_readable` still: its turn comes again.
  void finish_turn(const Turn& turn, size_t got, bool is_readable);
  void end(uint32_t stream);    // no more bytes of ours
  void reset(uint32_t stream);  // no events of it come any more. Nothing when there is no such stream
  void consumed(uint32_t stream, size_t bytes);
  void drain();                            // no more streams: the peer is told, once
  void go_away(std::string_view reason);   // the session is over: send what is outgoing, then close

  // --- the gateway
  // Exhausted: too many streams; Unavailable: draining, or no such target.
  Result<uint32_t> open(uint32_t target);
  // --- the node
  Result<uint32_t> announce(BytesView name);  // its number. Exhausted
  void withdraw(uint32_t target);             // streams live on
  void opened(uint32_t stream);
  void refuse(uint32_t stream, Refusal refusal);

  bool is_ready() const { return is_ready_; }
  bool is_draining() const { return has_sent_goaway_ || has_got_goaway_; }
  // Both want no more, and there is none.
  bool is_drained() const { return has_sent_goaway_ && has_got_goaway_ && streams_.empty(); }
  // The peer has been silent for longer than it should be: better not to begin anything with it.
  bool is_quiet(uint64_t now_us) const { return now_us > heard_us_ + limits_.quiet_us; }
  size_t streams() const { return streams_.size(); }
  uint64_t streams_ever() const { return streams_ever_; }
  uint64_t unread() const { return unread_; }
  uint64_t rtt_us() const { return rtt_us_; }  // 0 = not known yet

 private:
  struct Stream {
    bool is_open = false;     // Opened was said
    bool has_sent_fin = false, has_got_fin = false;
    bool has_sent_reset = false;  // waits for the peer's
    bool is_readable = false, is_queued = false;
    uint32_t credit = 0;     // that we may send
    uint32_t allowed = 0;    // that the peer may send
    uint32_t unread = 0;     // came, and was not consumed
    uint32_t window = 0;     // what allowed + unread shall be
    uint64_t granted_us = 0;  // when allowed was raised last
    bool has_ended() const { return has_sent_fin && has_got_fin; }
    bool may_send() const { return is_open && is_readable && credit > 0 && !has_sent_fin && !has_sent_reset; }
  };
  using Streams = std::unordered_map<uint32_t, Stream>;

  Status receive_frames(BytesView bytes);
  Status on_frame(const Frame& frame, BytesView payload);
  Status on_hello(BytesView payload);
  Status on_target(const Frame& frame, BytesView payload);
  Status on_open(uint32_t stream, BytesView payload);
  Status on_answer(const Frame& frame, BytesView payload);
  Status on_stream(const Frame& frame, BytesView payload);
  Status on_data(Streams::iterator at, BytesView payload);
  Status on_fin(Streams::iterator at);
  void on_reset(Streams::iterator at);
  Status on_window(Streams::iterator at, BytesView payload);
  Status on_pong(BytesView payload);
  Status on_goaway(BytesView payload);

  void send(FrameType type, uint32_t stream, BytesView payload = {});
  void send_u32(FrameType type, uint32_t stream, uint32_t value);
  uint32_t first_window() const;
  void adapt_window(Stream& stream) const;
  void queue(uint32_t number, Stream& stream);
  void forget(Streams::iterator at);
  void forget_if_over(Streams::iterator at);
  void relieve();
  Status fail(Error error);
  uint64_t shortest_rtt_us() const;

  const Role role_;
  const SessionLimits limits_;
  SessionEvents& events_;
  Outbox out_;
  Bytes held_;  // the begin of a frame
  Streams streams_;
  std::deque<uint32_t> turns_;  // streams that may send, in turn
  std::unordered_set<uint32_t> targets_;
  uint32_t last_target_ = 0, last_stream_ = 0;
  uint32_t peer_streams_max_ = 0;
  uint64_t streams_ever_ = 0;
  size_t alive_ = 0;     // streams that have not ended for both sides; others of streams_ wait to be consumed
  uint64_t unread_ = 0;  // of all streams
  uint64_t now_us_, ticked_us_, heard_us_;
  uint64_t pinged_us_ = 0;  // 0 = no answer is awaited
  uint64_t asked_us_ = 0;   // when the last ping went
  uint64_t rtt_us_ = 0, rtts_us_[8] = {};
  size_t rtt_count_ = 0;
  bool is_ready_ = false, has_sent_goaway_ = false, has_got_goaway_ = false;
  std::optional<Error> failure_;
};

}  // namespace mcloud::gateway
