// The receiving half of a replication stream: takes frames, keeps a copy of the log. No socket: its shell brings what
// came and takes the acks. One thread at a time. It works on the disk, so not on a loop's thread.
#pragma once

#include <functional>

#include "base/world.h"
#include "kv/replication/frame.h"

namespace mcloud::kv {

class Follower {
 public:
  struct Options {
    std::string name;    // of the namespace
    std::string member;  // that this place is; may be empty
    bool begins_anew = false;
    // The namespace of this name is another object now.
    std::function<void()> on_replaced = [] {};
  };
  // `store` and `clock` are borrowed.
  Follower(Store& store, Clock& clock, Options options)
      : store_(store), clock_(clock), options_(std::move(options)) {}

  // What to begin with, as the copy is now.
  StreamRequest request();
  // Works off what came. An error ends the stream; begin another one with a new Follower.
  Status feed(BytesView bytes);
  // Syncs and acknowledges when it is time; call it after feed() and at least every 50 ms.
  Status tick();
  Bytes take_output() { return std::exchange(output_, {}); }

  bool is_greeted() const { return space_ != nullptr; }
  // The next stream should begin anew: what is there does not fit.
  bool should_begin_anew() const { return should_begin_anew_; }

  struct Figures {
    bool is_complete = false;
    Position received = 0, durable = 0;
    Position master_end = 0;
    uint64_t term = 0;
    uint64_t lag_ms = 0;  // how old the newest record was that is here when the master pulsed; 0: all is here
  };
  Figures figures() const;

 private:
  Status on_frame(Frame& frame);
  Status on(HelloFrame& hello);
  Status on(DataFrame& data);
  Status on(FrontFrame& front);
  Status on(SettingsFrame& settings);
  Status on(LineageFrame& lineage);
  Status on(PulseFrame& pulse);
  Status prepare(const HelloFrame& hello);
  Status begin_anew(const HelloFrame& hello, const LogState* ours);
  ReplicaLog& log() const { return space_->replica(); }

  Store& store_;
  Clock& clock_;
  Options options_;
  FrameReader reader_;
  NamespacePtr space_;
  Lineage lineage_;  // of the log that is copied
  PulseFrame pulse_;
  uint64_t term_ = 0;
  Ack acked_;
  bool has_acked_ = false;
  uint64_t synced_ms_ = 0;
  bool should_begin_anew_ = false;
  Bytes output_;
};

}  // namespace mcloud::kv
