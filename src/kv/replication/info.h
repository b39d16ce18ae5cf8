// What INFO says of replication: names and values, for both dialects.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kv/server_state.h"

namespace mcloud::kv {

// Of the server and of one namespace. Names and words are Redis's where Redis has them.
std::vector<std::pair<std::string, std::string>> replication_facts(ServerState& state, const Space& space);

}  // namespace mcloud::kv
