// Inside this room: conmon, the small program that watches one container and outlives us.
#pragma once

#include "io/file.h"
#include "io/process.h"
#include "runtime/child_steps.h"
#include "runtime/container.h"
#include "runtime/container_folder.h"

namespace mcloud::runtime {

struct MonitorOptions {
  std::string conmon;
  std::string crun;
  std::string crun_root;
  std::string exits_folder;
  std::string sockets_folder;
  std::string id;
  std::string log_path;
  uint64_t log_bytes_max = 0;
  uint64_t timeout_ms = 0;
};

// Starts conmon, which makes the container (crun create) in the mount namespace that `steps` build. Returns
// the pid of the container's first process, which waits to be let go. NotFound when the program is not in
// the image; other errors carry crun's message.
Result<int> start_monitor(const MonitorOptions& options, const ContainerFolder& folder, ChildSteps& steps);

// What conmon says on its pipe: {"data":PID} or {"data":-1,"message":"..."}. Pure.
Result<int> parse_monitor_report(BytesView json);

}  // namespace mcloud::runtime
