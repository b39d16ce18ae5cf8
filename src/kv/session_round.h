// One round of a loop: the requests that are there are run, their writes go through one Writer, are flushed together,
// and only then are the replies let go (and with durability `always`, only when they are on the disk).
// At most one Writer is held at a time, so that loops can never wait for each other in a circle.
#pragma once

#include <bitset>
#include <memory>
#include <string_view>
#include <vector>

#include "kv/server_state.h"
#include "kv/store.h"

namespace mcloud::kv {

class Session;

class Round {
 public:
  // Who is asked to call Session::durable() of every session of this loop later. Borrowed.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    virtual void when_durable(const SpacePtr& space, Position position) = 0;
  };

  explicit Round(Waiter& waiter) : waiter_(waiter) {}
  ~Round() { settle(); }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  // The writer of `space`; one that is held for another space or epoch is settled first. The reply being made depends
  // on it from now on.
  Result<Writer*> writer(const SpacePtr& space, uint64_t epoch);
  // The writer, when this round wrote (or may have written) `key`: then the newest version is in it.
  Writer* writer_of_key(const Space& space, std::string_view key);
  // The writer is held and a read through it sees all of this round's writes.
  Writer* held_writer(const Space& space);

  void wrote(std::string_view key, Position end, size_t bytes);
  // The reply must wait until what is at `position` is durable, though this round did not write it.
  void confirms(Position position);

  // Around each request: begin_reply(), then end_reply() with the reply's place in the session's output.
  void begin_reply() { is_touched_ = false; }
  void end_reply(Session& session, uint64_t begin, uint64_t end);
  // Is there a reply of `session` that may still become an error when this round is settled?
  bool depends(const Session& session) const;

  // Writes everything, lets the writer go, and settles what the replies are.
  void settle();

 private:
  struct Dependent {
    Session* session;
    uint64_t begin, end;
  };
  void add_barriers();

  static constexpr size_t kFilterBits = 8192;
  static constexpr size_t kBytesMax = 4 << 20;  // unflushed

  Waiter& waiter_;
  SpacePtr space_;
  uint64_t epoch_ = 0;
  std::unique_ptr<Writer> writer_;
  Position position_ = 0;  // the end of what must be durable
  size_t bytes_ = 0;
  bool is_touched_ = false;
  bool has_keys_ = false;
  std::bitset<kFilterBits> keys_;
  std::vector<Dependent> dependents_;
};

}  // namespace mcloud::kv
