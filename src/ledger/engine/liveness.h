// Which nodes have been silent too long. Pure: the time comes in, suspicions come out.
//
// A validator only ever accuses a node that it could have heard for the whole of fence_after: after a start, after a
// pause of its own (suspended, starved, its disk hung) and when a node (re)joins, timers start afresh. So an outage
// of the ledger, of any length, suspects nobody.
#pragma once

#include <map>
#include <vector>

#include "base/ids.h"

namespace mcloud::ledger {

struct WatchedNode {
  NodeId node;
  uint64_t epoch = 0;
  bool operator==(const WatchedNode&) const = default;
};

class Liveness {
 public:
  // All times are monotonic.
  Liveness(uint64_t fence_after_ms, uint64_t now_ms) : fence_after_ms_(fence_after_ms), last_tick_ms_(now_ms) {}

  // The nodes that are online now; timers of new ones and of new epochs start. Others are forgotten, but for the
  // counters of their heartbeats.
  void set_nodes(const std::vector<WatchedNode>& online, uint64_t now_ms);
  void set_fence_after(uint64_t fence_after_ms) { fence_after_ms_ = fence_after_ms; }

  // False when it says nothing new: a replay, or from a node that is not watched.
  bool heartbeat(const NodeId& node, uint64_t counter, uint64_t now_ms);

  // Call at least every tick_ms(). The nodes to suspect now; one that stays suspected is named again after another
  // fence_after, in case the accusation was lost.
  std::vector<WatchedNode> tick(uint64_t now_ms);
  uint64_t tick_ms() const { return fence_after_ms_ / 10 + 1; }

  size_t watched() const { return nodes_.size(); }

 private:
  struct Timer {
    uint64_t epoch = 0;
    uint64_t heard_ms = 0;
  };
  void restart(uint64_t now_ms);

  uint64_t fence_after_ms_;
  uint64_t last_tick_ms_;
  std::map<NodeId, Timer> nodes_;
  std::map<NodeId, uint64_t> counters_;  // of nodes seen online; never goes back
};

}  // namespace mcloud::ledger
