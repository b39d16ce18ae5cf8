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

struct HeartbeatNumber {
  uint64_t node_epoch = 0;
  uint64_t counter = 0;  // grows over restarts too
};
pb::SignedHeartbeat make_heartbeat(std::string_view chain_id, const crypto::SigningKey& key, const HeartbeatNumber& number);

// `mcloud node heartbeat CONFIG`: sends to every ledger endpoint at once, until SIGTERM. Begins when the agent has
// written the node's epoch. Returns an error only when it could not begin.
Status run_heartbeat(const Config& config);

}  // namespace mcloud::node
