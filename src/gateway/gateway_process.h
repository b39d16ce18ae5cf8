// Inside this room only: the loop of `mcloud node gateway`. gateway.h says what it is for.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "gateway/certificates.h"
#include "gateway/gateway.h"
#include "gateway/haproxy_keeper.h"
#include "gateway/site_plan.h"
#include "io/clock.h"
#include "io/loop.h"

namespace mcloud::gateway {

// One thread: run()'s.
class GatewayProcess {
 public:
  GatewayProcess(const GatewayOptions& options, const HaproxyPaths& paths);
  Status run();

 private:
  void round();
  void read_wanted();
  Status decide();
  void change_certificates();
  void write_state();
  pb::SiteState state_of(const pb::LocalSite& site, const std::map<std::string, BackendFigures>& figures) const;
  std::string wanted_path() const { return options_.folder + "/wanted"; }

  const GatewayOptions options_;
  const HaproxyPaths paths_;
  io::SystemClock clock_;
  io::Loop loop_;
  io::Timer timer_;
  HaproxyKeeper keeper_;
  Certificates certificates_;

  uint64_t wanted_inode_ = 0;
  int64_t wanted_time_ns_ = 0;
  std::optional<pb::LocalGateway> wanted_;  // as the agent wrote it
  uint64_t revision_ = 0;
  std::string wanted_problem_;
  bool must_decide_ = false;

  std::map<std::string, std::string> problems_;       // site_key() -> why it is not served
  std::map<std::string, std::string> backend_sites_;  // name of a back end -> site_key()
  std::string decide_problem_;
  std::string last_state_;
  uint64_t next_state_ms_ = 0;
};

}  // namespace mcloud::gateway
