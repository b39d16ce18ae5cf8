// Inside network_why: what strangers reach, which is what is published.
#pragma once

#include "bot/network_why.h"

namespace mcloud::bot {

// `to` is a publication, or what one leads to.
Result<Why> explain_from_internet(const NetworkFacts& facts, const ConnectionEnd& to);

// What a workload says that it listens on; empty for what has no ports.
std::vector<pb::Port> declared_ports(const NetworkFacts& facts, std::string_view workload);

}  // namespace mcloud::bot
