// A session that has become a replication stream: what REPLICATE makes of it. Belongs to the session's loop.
#pragma once

#include "kv/replication/replication.h"
#include "kv/replication/sender.h"

namespace mcloud::kv {

class Stream {
 public:
  // Its answer, or the error, is in `out`; nullptr with the error.
  static std::unique_ptr<Stream> begin(ServerState& state, const SpacePtr& space, const StreamRequest& request,
                                       Mailbox& mailbox, uint64_t session, const std::string& address, Bytes& out);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // False: the stream is over.
  bool feed(BytesView bytes);
  // Something was written, or time has passed: what follows is a new turn.
  bool on_ring(Bytes& out, size_t unsent);
  // There is room again. A turn ends after some megabytes, so that others of the loop get theirs.
  bool fill(Bytes& out, size_t unsent);

 private:
  Stream(ServerState& state, SpacePtr space, Sender sender);
  bool fail(const Error& error);

  ServerState& state_;
  SpacePtr space_;
  Sender sender_;
  uint64_t stream_ = 0;
  uint64_t number_ = 0;
  size_t turn_bytes_ = 0;
  std::string address_;
};

}  // namespace mcloud::kv
