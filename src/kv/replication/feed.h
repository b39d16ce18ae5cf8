// One namespace's followers, and who waits for them: sessions that stream its log, and writes whose acknowledgement
// waits until enough of them have it. Thread-safe; nobody following costs one load.
#pragma once

#include <atomic>  // the hot path asks whether anybody follows
#include <functional>
#include <map>
#include <mutex>  // streams, acks and writes belong to different loops

#include "kv/replication/acks.h"
#include "kv/replication/frame.h"

namespace mcloud::kv {

class Mailbox;  // kv/session_hub.h

class Feed {
 public:
  using Then = std::function<void(Status)>;

  // --- streams; each is told through its mailbox that there is something to send
  struct Follower {
    std::string member;
    std::string address;
    Ack ack;
    uint64_t ack_ms = 0;   // monotonic
    uint64_t sent_ms = 0;  // time of the newest record it is known to have, wall clock
  };
  // Behind the return nobody uses `mailbox` (a null one is told nothing) after remove().
  uint64_t add(Mailbox* mailbox, uint64_t session, Follower follower);
  void remove(uint64_t stream);
  void set_ack(uint64_t stream, const Ack& ack, uint64_t now_ms);
  std::vector<Follower> followers() const;
  bool has_streams() const { return streams_count_.load(std::memory_order_relaxed) > 0; }
  // There is something new in the log. Each stream once until it has called answered().
  void ring();
  void answered(uint64_t stream);

  // --- acknowledgements
  // More than this place's fsync is needed.
  bool is_awaited() const { return copies_.load(std::memory_order_relaxed) > 1; }
  uint64_t copies() const { return copies_.load(std::memory_order_relaxed); }
  // Leading begins (`end`: of the log, all of it durable) or its rules change.
  void lead(AckRules rules, Position end);
  void set_rules(AckRules rules);
  // Everybody who waits, now or later, gets `why`; until lead().
  void end(Error why);
  // Calls back once, when `position`, which is durable here, is durable at enough places.
  void wait(Position position, Then then);
  size_t waiting() const;
  std::optional<Members> propose();

 private:
  struct Stream {
    Mailbox* mailbox = nullptr;
    uint64_t session = 0;
    Follower follower;
    bool is_rung = false;
  };
  void serve(std::unique_lock<std::mutex> lock);  // those whose position has been passed

  mutable std::mutex mutex_;
  std::map<uint64_t, Stream> streams_;
  uint64_t next_stream_ = 1;
  std::atomic<size_t> streams_count_{0};
  std::atomic<uint64_t> copies_{1};
  AckCount count_;
  std::optional<Error> ended_;
  std::multimap<Position, Then> waiting_;
};

}  // namespace mcloud::kv
