// The validator's watch over the nodes: heartbeats in, signed suspicions out. The shell around liveness.h; belongs to
// the loop.
#pragma once

#include <vector>

#include "ledger/engine/liveness.h"
#include "ledger/engine/solo.h"

namespace mcloud::ledger {

class Watch {
 public:
  // Everything given outlives it.
  Watch(io::Loop& loop, StateStore& state, Solo& engine, const Clock& clock, const LedgerFolder& folder);
  void start();

  // A heartbeat whose signature was checked.
  void heartbeat(const NodeId& node, uint64_t counter);

  uint64_t suspicions() const { return suspicions_; }  // submitted since the start
  size_t watched() const { return liveness_.watched(); }

 private:
  void tick();
  Status refresh();
  void accuse();
  Result<Bytes> accusation(const WatchedNode& node, uint64_t sequence) const;

  io::Loop& loop_;
  StateStore& state_;
  Solo& engine_;
  const Clock& clock_;
  const LedgerFolder& folder_;
  Liveness liveness_;
  io::Timer timer_;
  uint64_t seen_height_ = UINT64_MAX;
  std::vector<WatchedNode> silent_;  // to be accused
  bool is_accusing_ = false;         // a submission is on its way: the next sequence number is not known
  uint64_t suspicions_ = 0;
};

// What POST /v1/heartbeats checks before it counts, on any thread: canonical, of this chain, signed by its node.
// Invalid or Denied.
Result<pb::Heartbeat> verify_heartbeat(BytesView signed_heartbeat, std::string_view chain_id);

}  // namespace mcloud::ledger
