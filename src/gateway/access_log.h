// Access logs: HAProxy's standard output, a named pipe -> LOGS/SITE_KEY/log, in the format of containers' logs.
//
// Lines are HAProxy's, and those of UDP ports (udp_flow_log.h). HAProxy never waits for us: what does not fit into the pipe (1 MiB) is lost. The pipe outlives the process, so a new one reads on.
// It is read every 20 ms at most, many lines at a time: a reader that wakes for each line costs more than the line.
// A site's file starts afresh at its bound, as a container's does.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "io/file.h"

namespace mcloud::gateway {

// For reading and writing: it never ends, and nobody's write fails because no reader is there. It does not block. Made when it is not there.
Result<io::Fd> open_log_pipe(const std::string& path);

// Has a thread of its own; all functions from any thread.
class AccessLog {
 public:
  struct Options {
    std::string pipe_path;  // made when it is not there
    std::string log_folder;
    uint64_t file_bytes_max = 8 << 20;
  };
  // It reads at once, what HAProxy wrote before as well, so it must know the sites.
  static Result<std::unique_ptr<AccessLog>> start(const Options& options, std::map<std::string, std::string> site_of_backend);
  virtual ~AccessLog() = default;
  // Back ends (as HAProxy names them) and the folders of their sites. Lines of others are dropped; folders stay.
  virtual void set_sites(std::map<std::string, std::string> site_of_backend) = 0;
};

}  // namespace mcloud::gateway
