// Keeps a running HAProxy in agreement with a HaproxyConfig: starts it, starts it again when it died, reloads it when the structure
// changed, and moves its servers by the runtime API when only they did.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "gateway/haproxy_process.h"
#include "gateway/runtime.h"

namespace mcloud::gateway {

// One thread. Blocks for as long as HAProxy takes to start or to reload (10 s at most).
class HaproxyKeeper {
 public:
  HaproxyKeeper(const std::string& program, const HaproxyPaths& paths) : paths_(paths), process_(program, paths) {}

  // From now on. The certificates that it names are on disk.
  void want(HaproxyConfig config);
  // Call it often: it does what is due.
  void round(uint64_t now_ms);

  // HAProxy runs with what is wanted, servers and all; what left gets no new request, though it may still end its last.
  bool agrees() const { return agrees_; }
  const std::string& message() const { return message_; }  // why it does not; "" = it does, or will
  uint64_t reloads() const { return reloads_; }
  // Since the first start, by back end; servers_up is of now.
  std::map<std::string, BackendFigures> figures();
  Result<std::string> runtime(const std::string& command) { return process_.runtime(command); }
  void stop(uint64_t grace_ms) { process_.stop(grace_ms); }

 private:
  Status write_files(const HaproxyConfig& config);
  Status agree(uint64_t now_ms);
  Status begin(uint64_t now_ms);
  Status renew(uint64_t now_ms);
  Status move_servers();
  void count();

  HaproxyPaths paths_;
  HaproxyProcess process_;
  std::optional<HaproxyConfig> wanted_;
  std::optional<HaproxyConfig> good_;  // HAProxy took it
  std::map<std::string, std::string> on_disk_;
  std::string refused_;  // a structure that HAProxy does not take is not tried for ever
  bool agrees_ = false;
  bool is_tidy_ = false;  // and nothing is left to delete
  bool was_running_ = false;
  std::string message_;
  uint64_t next_start_ms_ = 0;
  uint64_t start_pause_ms_ = 0;
  uint64_t next_reload_ms_ = 0;
  uint64_t next_servers_ms_ = 0;
  uint64_t reloads_ = 0;
  std::map<std::string, BackendFigures> before_;  // of workers that were replaced
  std::map<std::string, BackendFigures> last_;
};

}  // namespace mcloud::gateway
