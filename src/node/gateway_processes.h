// The processes beside the agent that strangers' connections go through. init runs them while the agent wants them.
#pragma once

#include "node/config.h"

namespace mcloud::node {

// `mcloud node gateway CONFIG`, `mcloud node tunnel CONFIG`: until SIGTERM. They know no contract but what the agent has
// written for them, and no key but the node's.
Status run_gateway_process(const Config& config);
Status run_tunnel_process(const Config& config);

}  // namespace mcloud::node
