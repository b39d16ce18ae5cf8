// What HAProxy's runtime API says, and what to tell it so that its servers are the wanted ones. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gateway/haproxy_config.h"

namespace mcloud::gateway {

struct RunningServer {
  uint32_t weight = 0;
  bool is_up = false;
  bool is_in_maintenance = false;
};
// By back end, by server. From "show servers state"; Corrupt when it is not that.
using RunningServers = std::map<std::string, std::map<std::string, RunningServer>>;
Result<RunningServers> parse_servers(std::string_view answer);

// "key: value" of "show info"; "" when there is none.
std::string info_value(std::string_view answer, std::string_view key);

// Commands, each by itself, in order. A server that is wanted and not there is added; one that is there and not wanted goes to
// maintenance (no new request) and is deleted once its connections are done, so ask again until nothing is left to say.
std::vector<std::string> server_changes(const std::vector<HaproxyBackend>& wanted, const RunningServers& running);

struct BackendFigures {
  uint64_t requests = 0;  // connections with TCP
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint32_t servers_up = 0;
};
// From "show stat -1 2 -1", by back end.
Result<std::map<std::string, BackendFigures>> parse_figures(std::string_view answer);

}  // namespace mcloud::gateway
