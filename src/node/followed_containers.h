// Inside this room: whose logs and figures are pushed. One that has left is followed as long as its disk is here: its
// last lines say why it ended.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "node/agent.h"

namespace mcloud::node {

class FollowedContainers {
 public:
  std::vector<Telemetry::Target> now(const Reconciler& reconciler);

 private:
  std::map<std::string, Telemetry::Target> followed_;  // by container
};

}  // namespace mcloud::node
