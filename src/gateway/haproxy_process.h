// HAProxy as a process: started, adopted when it outlived us, reloaded without losing a connection, stopped. Its files are on disk
// when these are called.
#pragma once

#include <memory>
#include <string>

#include "gateway/haproxy_config.h"
#include "io/process.h"

namespace mcloud::gateway {

// One thread.
class HaproxyProcess {
 public:
  // `program` is found through PATH. Adopts what a gateway process before us left running in the folder.
  HaproxyProcess(std::string program, HaproxyPaths paths);

  bool is_running();
  // FOLDER/haproxy.cfg is right as far as HAProxy can tell without taking ports. Invalid carries its words.
  Status check() const;
  // Returns when it answers; at most 10 s. An error carries nothing of HAProxy's own words: those are in our standard error.
  Status start();
  // A new worker with the configuration on disk takes over the listening sockets; the old one ends with its last connection.
  // Returns when the new one answers as `structure`; at most 10 s.
  Status reload(const std::string& structure);
  // The structure that the running process was started with.
  Result<std::string> structure() const;
  Result<std::string> runtime(const std::string& command) const;
  // No new connections; those there are get `grace_ms`.
  void stop(uint64_t grace_ms);

 private:
  void adopt();
  Status wait_for_structure(const std::string& structure, uint64_t timeout_ms);
  void signal(int number);
  bool wait(uint64_t timeout_ms);
  std::string config_path() const { return paths_.folder + "/haproxy.cfg"; }
  std::string master_socket() const { return paths_.folder + "/master.sock"; }
  std::string pid_path() const { return paths_.folder + "/haproxy.pid"; }

  std::string program_;
  HaproxyPaths paths_;
  std::unique_ptr<io::Child> child_;  // started by us
  io::Fd adopted_;                    // or its pidfd, when somebody else did
};

}  // namespace mcloud::gateway
