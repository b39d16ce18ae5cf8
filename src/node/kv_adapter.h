// Talks to managed `mcloud kv serve` processes in containers over their control sockets.
//
//   RUNTIME/control/ID/   0700, owned by the first user id of the contract's range, so that only the agent and the
//                         container come in; a mount of the container; tmpfs
//       socket            made by the process
//
// What is in such a folder is the container's: nothing of it is believed before it is looked at.
#pragma once

#include <string>
#include <vector>

#include "node/ports.h"

namespace mcloud::node {

class KvAdapter final : public SetMembers {
 public:
  static constexpr uint64_t kTimeoutMs = 2'000;
  explicit KvAdapter(std::string control_folder) : folder_(std::move(control_folder)) {}

  Result<GroupStatus> ask(const std::string& container, const GroupCommand& command) override;

 private:
  const std::string folder_;
};

// Makes a container's folder; what another life left in it is gone.
Status make_control_folder(const std::string& folder, uint32_t base_uid);

// One request and its reply (parse_kv_reply() in group.h). Unavailable, TimedOut after `timeout_ms`, Denied: what is at
// the socket's place is not its own.
Result<std::vector<std::string>> ask_kv(const std::string& folder, const std::vector<std::string>& words,
                                        uint64_t timeout_ms);

}  // namespace mcloud::node
