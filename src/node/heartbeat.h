// The node's heartbeat: a process of its own, small and of high priority, so that load never looks like death.
#pragma once

#include <cstdint>
#include <string>

#include "crypto/sign.h"
#include "mcloud/ledger.pb.h"
#include "node/config.h"

namespace mcloud::node {

// Five in each fence_after: four may be lost.
uint64_t heartbeat_interval_ms(uint64_t fence_after_ms);

// Grows over restarts, though the wall clock may go back meanwhile: a number that was used before would be refused, and
// the node be taken for dead.
class HeartbeatCounter {
 public:
  // `file` says up to where numbers may have been used.
  HeartbeatCounter(std::string file, uint64_t wall_ms);
  uint64_t next();

 private:
  const std::string file_;
  uint64_t last_;
  uint64_t reserved_ = 0;
};

struct HeartbeatNumber {
  uint64_t node_epoch = 0;
  uint64_t counter = 0;
};
pb::SignedHeartbeat make_heartbeat(std::string_view chain_id, const crypto::SigningKey& key,
                                   const HeartbeatNumber& number);

// `mcloud node heartbeat CONFIG`: sends to every ledger endpoint at once, until SIGTERM. Begins when the agent has
// written the node's epoch. Returns an error only when it could not begin.
Status run_heartbeat(const Config& config);

}  // namespace mcloud::node
