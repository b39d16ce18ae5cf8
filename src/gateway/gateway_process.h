// Inside this room only: the loop of `mcloud node gateway`. gateway.h says what it is for.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gateway/access_log.h"
#include "gateway/acme.h"
#include "gateway/certificates.h"
#include "gateway/domain_watch.h"
#include "gateway/gateway.h"
#include "gateway/haproxy_keeper.h"
#include "gateway/site_plan.h"
#include "gateway/tunnel/tunnel_server.h"
#include "gateway/udp_doors.h"
#include "io/clock.h"
#include "io/loop.h"

namespace mcloud::gateway {

// One thread: run()'s.
class GatewayProcess {
 public:
  GatewayProcess(const GatewayOptions& options, const HaproxyPaths& paths, const crypto::SigningKey& node_key);
  Status run();

 private:
  void round();
  void read_wanted();
  void take_wanted(pb::LocalGateway wanted);
  void keep_tunnels();
  Status decide();
  void keep_udp_doors();
  void add_udp_figures(std::map<std::string, BackendFigures>& figures) const;
  void order_certificates();
  void change_certificates();
  void write_state();
  pb::SiteState state_of(const pb::LocalSite& site, const std::map<std::string, BackendFigures>& figures) const;
  std::string message_of(const pb::LocalSite& site, const std::string& key) const;
  std::string wanted_path() const { return options_.folder + "/wanted"; }

  const GatewayOptions options_;
  const HaproxyPaths paths_;
  const crypto::SigningKey& node_key_;
  io::SystemClock clock_;
  io::Loop loop_;
  io::Timer timer_;
  HaproxyKeeper keeper_;
  Certificates certificates_;
  Acme acme_;
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<TunnelServer> tunnels_;
  std::string tunnels_at_;  // address and port they listen on
  std::string tunnels_problem_;
  std::unique_ptr<UdpDoors> udp_doors_;  // when there are any
  std::string udp_doors_at_;              // the address they listen on
  std::vector<UdpDoor> udp_wanted_;
  std::string udp_problem_;                          // of all of them
  std::map<std::string, std::string> udp_problems_;  // by name

  uint64_t wanted_inode_ = 0;
  int64_t wanted_time_ns_ = 0;
  std::optional<pb::LocalGateway> wanted_;  // as the agent wrote it
  uint64_t revision_ = 0;
  std::string wanted_problem_;
  bool must_decide_ = false;

  pb::LocalGateway effective_;          // `wanted_` with the domains whose proof stands
  std::vector<CertificateUnit> units_;  // of its sites
  std::vector<Certificates::Change> changes_;
  std::map<std::string, std::string> problems_;       // site_key() -> why it is not served
  std::map<std::string, std::string> backend_sites_;  // name of a back end -> site_key()
  std::string decide_problem_;
  std::string last_state_;
  uint64_t last_in_force_ = 0;  // revision
  uint64_t next_state_ms_ = 0;
  uint64_t next_orders_ms_ = 0;
  DomainWatch domains_;  // the last member: its lookups post to the loop
};

}  // namespace mcloud::gateway
