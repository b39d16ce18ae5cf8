// Inside network_why: the way from a workload out to what is in no network. Pure.
#pragma once

#include <string>
#include <vector>

#include "bot/network_why.h"

namespace mcloud::bot {

struct WorldWay {
  const pb::Facets& workload;
  const pb::Node* node = nullptr;  // where it runs
  std::string protocol;
  uint32_t port = 0;
  std::string address;  // of either family, "" = any
};
std::vector<WhyStep> world_steps(const NetworkFacts& facts, const WorldWay& way);

}  // namespace mcloud::bot
