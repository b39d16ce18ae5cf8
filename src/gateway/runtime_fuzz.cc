// Any bytes as HAProxy's answers: its worker faces strangers, so it is not believed either.
#include <cstdlib>

#include "gateway/runtime.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud::gateway;
  std::string_view answer(reinterpret_cast<const char*>(data), size);
  mcloud::Result<RunningServers> running = parse_servers(answer);
  static_cast<void>(parse_figures(answer));
  static_cast<void>(info_value(answer, "description"));
  if (!running.has_value()) return 0;
  std::vector<HaproxyBackend> wanted = {{"b", false, {{"s", "ipv4@10.0.0.1:80", 1, "check", ""}}}};
  for (const std::string& command : server_changes(wanted, *running)) {
    // A command is one line: what the answer said must not become another one.
    if (command.find('\n') != std::string::npos || command.find(';') != std::string::npos) std::abort();
  }
  return 0;
}
