// The sending half of a replication stream: a cursor over a namespace's log. No socket: its shell gives it room to
// write into and what the follower says. One thread at a time.
#pragma once

#include "kv/replication/frame.h"

namespace mcloud::kv {

class Sender {
 public:
  // Begins with Hello; `term` is of the master that is obeyed here. Denied: the follower has promised a later one.
  // Unavailable: our own copy is not complete.
  static Result<Sender> begin(NamespacePtr space, const StreamRequest& request, uint64_t term, Bytes& out);

  struct Moment {
    uint64_t monotonic_ms = 0;
    uint64_t wall_ms = 0;
    bool is_awaited = false;  // somebody waits for acks
  };
  // Appends frames to `out` until it has about `bytes_max` bytes or nothing is left to say. An error ends the stream.
  Status pump(Bytes& out, size_t bytes_max, const Moment& now);
  // What the follower said; the newest ack, if a whole one came. Corrupt.
  Result<std::optional<Ack>> feed(BytesView bytes);

  Position cursor() const { return cursor_; }

 private:
  explicit Sender(NamespacePtr space) : space_(std::move(space)) {}
  ReplicaLog& log() const { return space_->replica(); }
  void tell_changes(Bytes& out);
  void tell_front(Bytes& out);

  NamespacePtr space_;
  Position cursor_ = 0;
  uint64_t changes_ = 0;  // that were told
  Position first_ = 0;    // that was told
  Lineage lineage_;
  Bytes settings_;
  uint64_t epoch_ = 0;
  FrontFrame front_;  // to be told when the cursor is there
  Position front_at_ = 0;
  uint64_t pulse_ms_ = 0;
  bool was_awaited_ = false;
  Bytes acks_;
};

}  // namespace mcloud::kv
