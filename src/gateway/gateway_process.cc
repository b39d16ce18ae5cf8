#include "gateway/gateway_process.h"

#include <sys/stat.h>

#include "base/log.h"
#include "gateway/udp_sites.h"
#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kRoundMs = 200;
constexpr uint64_t kOrdersMs = 1'000;
constexpr uint64_t kGraceMs = 10'000;
constexpr size_t kWantedBytesMax = 64 << 20;

// FNV-1a, 64 bits: proto/mcloud/gateway.proto, wanted_revision.
uint64_t fnv(BytesView bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash;
}

}  // namespace

GatewayProcess::GatewayProcess(const GatewayOptions& options, const HaproxyPaths& paths, const crypto::SigningKey& node_key)
    : options_(options),
      paths_(paths),
      node_key_(node_key),
      keeper_(options.haproxy, paths),
      certificates_(paths),
      acme_({options.data_folder, paths.folder + "/acme"}),
      domains_({options.resolver, options.data_folder + "/domains"}, loop_, [this] { must_decide_ = true; }) {}

Status GatewayProcess::run() {
  TRY(acme_.open());
  loop_.stop_on_signals();
  loop_.post([this] { round(); });
  loop_.run();
  keeper_.stop(kGraceMs);  // its last connections may need the tunnels
  udp_doors_.reset();
  tunnels_.reset();
  access_log_.reset();
  return {};
}

void GatewayProcess::round() {
  read_wanted();
  if (wanted_.has_value()) {
    domains_.round(clock_.monotonic_ms(), clock_.wall_ms());
    keep_tunnels();
    if (must_decide_ || !udp_problem_.empty() || !udp_problems_.empty()) keep_udp_doors();
  }
  if (must_decide_ && wanted_.has_value()) {
    must_decide_ = false;
    Status decided = decide();
    decide_problem_ = decided.has_value() ? "" : decided.error().message;
  }
  keeper_.round(clock_.monotonic_ms());
  change_certificates();
  order_certificates();
  write_state();
  timer_ = loop_.after(kRoundMs, [this] { round(); });
}

// It is replaced by rename: another inode, or another time.
void GatewayProcess::read_wanted() {
  struct stat facts {};
  if (::stat(wanted_path().c_str(), &facts) != 0) return;
  int64_t time_ns = facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec;
  if (facts.st_ino == wanted_inode_ && time_ns == wanted_time_ns_) return;
  wanted_inode_ = facts.st_ino;
  wanted_time_ns_ = time_ns;
  Result<Bytes> bytes = io::read_file(wanted_path(), kWantedBytesMax);
  Result<pb::LocalGateway> wanted = bytes.has_value() ? wire::decode<pb::LocalGateway>(*bytes, "wanted", kWantedBytesMax) : bytes.error();
  wanted_problem_ = wanted.has_value() ? "" : wanted.error().message;
  if (!wanted.has_value()) return log::error("gateway", "what is wanted cannot be read", {{"error", wanted_problem_}});
  revision_ = fnv(*bytes);
  take_wanted(std::move(*wanted));
}

void GatewayProcess::take_wanted(pb::LocalGateway wanted) {
  wanted_ = std::move(wanted);
  must_decide_ = true;
  domains_.want(*wanted_);
  if (tunnels_) tunnels_->set_peers({wanted_->tunnels().begin(), wanted_->tunnels().end()});
}

// A port that is taken is tried again in every round.
void GatewayProcess::keep_tunnels() {
  std::string at = wanted_->tunnel_port() == 0 ? "" : wanted_->address() + " " + std::to_string(wanted_->tunnel_port());
  if (at == tunnels_at_ && (tunnels_ || at.empty())) return;
  tunnels_.reset();
  tunnels_at_ = at;
  tunnels_problem_.clear();
  if (at.empty()) return;
  TunnelServer::Options options{wanted_->address(), static_cast<uint16_t>(wanted_->tunnel_port()), paths_.targets(), paths_.user};
  Result<std::unique_ptr<TunnelServer>> started = TunnelServer::start(options, node_key_);
  if (!started.has_value()) {
    tunnels_problem_ = "tunnels: " + started.error().message;
    return;
  }
  tunnels_ = std::move(*started);
  tunnels_->set_peers({wanted_->tunnels().begin(), wanted_->tunnels().end()});
}

void GatewayProcess::keep_udp_doors() {
  udp_wanted_.clear();
  for (const SitePlan& plan : plan_sites(*wanted_).sites) {
    if (is_udp_by_tunnel(*plan.site)) udp_wanted_.push_back(udp_door(*plan.site, paths_));
  }
  udp_problem_.clear();
  udp_problems_.clear();
  if (udp_wanted_.empty() || udp_doors_at_ != wanted_->address()) udp_doors_.reset();
  if (udp_wanted_.empty()) return;
  if (!udp_doors_) {
    udp_doors_at_ = wanted_->address();
    Result<std::unique_ptr<UdpDoors>> started = UdpDoors::start({udp_doors_at_, paths_.log_pipe()});
    if (started.has_value()) udp_doors_ = std::move(*started);
    else udp_problem_ = started.error().message;
  }
  if (udp_doors_) udp_problems_ = udp_doors_->put(udp_wanted_);
}

Status GatewayProcess::decide() {
  effective_ = *wanted_;
  for (pb::LocalSite& site : *effective_.mutable_sites()) {
    std::string contract = to_hex(site.contract());
    google::protobuf::RepeatedPtrField<std::string> domains;
    for (const std::string& domain : site.site().domains()) {
      if (domains_.proofs().holder(domain, clock_.wall_ms()) == contract) *domains.Add() = domain;
    }
    site.mutable_site()->mutable_domains()->Swap(&domains);
  }
  units_.clear();
  for (const SitePlan& plan : plan_sites(effective_).sites) {
    for (CertificateUnit& unit : certificate_units(plan, effective_.domain())) units_.push_back(std::move(unit));
  }
  TRY(certificates_.prepare(effective_.domain(), units_, [this](const CertificateUnit& unit) { return acme_.chain(unit.id); }));
  for (Certificates::Change& change : certificates_.take_changes()) changes_.push_back(std::move(change));
  HaproxyConfig config = haproxy_config(effective_, paths_, certificates_.large());
  problems_ = config.problems;
  backend_sites_ = config.backend_sites;
  if (access_log_) access_log_->set_sites(backend_sites_);
  else access_log_ = TRY(AccessLog::start({paths_.log_pipe(), options_.log_folder}, backend_sites_));
  keeper_.want(std::move(config));
  return {};
}

// Only when HAProxy answers challenges for all that is ordered.
void GatewayProcess::order_certificates() {
  uint64_t now_ms = clock_.monotonic_ms();
  if (!wanted_.has_value() || !keeper_.agrees() || now_ms < next_orders_ms_) return;
  next_orders_ms_ = now_ms + kOrdersMs;
  if (acme_.round(units_, now_ms, clock_.wall_ms())) must_decide_ = true;
}

// One that HAProxy does not know yet it has read itself, or will: its answer is an answer. What got none is told again.
void GatewayProcess::change_certificates() {
  if (!keeper_.agrees()) return;
  std::vector<Certificates::Change> again;
  for (Certificates::Change& change : changes_) {
    Result<std::string> set = keeper_.runtime(change.set + "\n");
    Result<std::string> committed = set.has_value() ? keeper_.runtime(change.commit) : set;
    log::debug("gateway", "certificate changes", {{"answer", committed.has_value() ? *committed : committed.error().message}});
    if (!committed.has_value()) again.push_back(std::move(change));
  }
  changes_ = std::move(again);
}

}  // namespace mcloud::gateway
