#include "gateway/gateway_process.h"

#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "gateway/words.h"
#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kRoundMs = 200;
constexpr uint64_t kStateMs = 1'000;
constexpr uint64_t kGraceMs = 10'000;
constexpr size_t kWantedBytesMax = 64 << 20;

// FNV-1a, 64 bits: proto/mcloud/gateway.proto, wanted_revision.
uint64_t fnv(BytesView bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash;
}

// HAProxy gives up root when there is the user that its package makes.
std::string unprivileged_user() { return ::geteuid() == 0 && ::getpwnam("haproxy") != nullptr ? "haproxy" : ""; }

bool machine_has_ipv6() {
  Result<Bytes> addresses = io::read_file("/proc/net/if_inet6", 1 << 20);
  return addresses.has_value() && !addresses->empty();
}

// Half of the descriptors that HAProxy may have, less what it needs itself.
uint32_t connections_max() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 1'000;
  return static_cast<uint32_t>(std::clamp<rlim_t>(files.rlim_max / 2, 600, 20'500) - 500);
}

Status prepare_folders(const HaproxyPaths& paths, const GatewayOptions& options) {
  TRY(io::make_folders(paths.folder, 0755));
  TRY(io::make_folders(paths.jail(), 0755));
  TRY(io::make_folders(paths.targets(), 0755));
  TRY(io::make_folders(options.data_folder, 0700));
  return io::make_folders(options.log_folder, 0755);
}

}  // namespace

GatewayProcess::GatewayProcess(const GatewayOptions& options, const HaproxyPaths& paths)
    : options_(options), paths_(paths), keeper_(options.haproxy, paths), certificates_(paths) {}

Status GatewayProcess::run() {
  loop_.stop_on_signals();
  loop_.post([this] { round(); });
  loop_.run();
  keeper_.stop(kGraceMs);
  return {};
}

void GatewayProcess::round() {
  read_wanted();
  if (must_decide_ && wanted_.has_value()) {
    must_decide_ = false;
    Status decided = decide();
    decide_problem_ = decided.has_value() ? "" : decided.error().message;
  }
  keeper_.round(clock_.monotonic_ms());
  change_certificates();
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
  wanted_ = std::move(*wanted);
  revision_ = fnv(*bytes);
  must_decide_ = true;
}

Status GatewayProcess::decide() {
  HaproxyConfig config = haproxy_config(*wanted_, paths_);
  problems_ = config.problems;
  backend_sites_ = config.backend_sites;
  TRY(certificates_.prepare(wanted_->domain(), plan_sites(*wanted_).sites, [](const SitePlan&) { return std::string(); }));
  keeper_.want(std::move(config));
  return {};
}

// After the keeper's round, so that HAProxy knows the files. One that it does not know yet it will read itself.
void GatewayProcess::change_certificates() {
  for (const std::string& command : certificates_.take_changes()) {
    Result<std::string> answer = keeper_.runtime(command);
    log::debug("gateway", "certificate changes", {{"answer", answer.has_value() ? *answer : answer.error().message}});
  }
}

pb::SiteState GatewayProcess::state_of(const pb::LocalSite& site, const std::map<std::string, BackendFigures>& figures) const {
  std::string key = site_key(site);
  pb::SiteState state;
  state.set_contract(site.contract());
  state.set_workload(site.workload());
  state.set_certificate_expires_ms(certificates_.expires_ms(key));
  auto problem = problems_.find(key);
  state.set_message(problem == problems_.end() ? certificates_.message(key) : problem->second);
  for (const auto& [backend, owner] : backend_sites_) {
    auto counted = figures.find(backend);
    if (owner != key || counted == figures.end()) continue;
    state.set_requests(state.requests() + counted->second.requests);
    state.set_bytes_in(state.bytes_in() + counted->second.bytes_in);
    state.set_bytes_out(state.bytes_out() + counted->second.bytes_out);
    state.set_servers_up(state.servers_up() + counted->second.servers_up);
  }
  bool is_kernels = site.site().mode() == pb::SITE_UDP;
  state.set_serves(problem == problems_.end() && (is_kernels || state.servers_up() > 0));
  return state;
}

void GatewayProcess::write_state() {
  uint64_t now_ms = clock_.monotonic_ms();
  if (now_ms < next_state_ms_) return;
  next_state_ms_ = now_ms + kStateMs;
  pb::GatewayState state;
  state.set_wanted_revision(keeper_.agrees() ? revision_ : 0);
  for (const std::string& message : {wanted_problem_, decide_problem_, keeper_.message()}) {
    if (state.message().empty()) state.set_message(message);
  }
  if (wanted_.has_value()) {
    std::map<std::string, BackendFigures> figures = keeper_.figures();
    for (const pb::LocalSite& site : wanted_->sites()) *state.add_sites() = state_of(site, figures);
  }
  std::string text = wire::encode(state);
  if (text == last_state_) return;
  Status written = io::write_file(options_.folder + "/state", text, io::Durability::None, 0600);
  if (!written.has_value()) return log::error("gateway", written.error().message);
  last_state_ = std::move(text);
}

Status run_gateway(const GatewayOptions& options, const crypto::SigningKey&) {
  HaproxyPaths paths{options.folder, unprivileged_user(), machine_has_ipv6(), connections_max()};
  if (!is_file_path(options.folder)) return make_error(Code::Invalid, "folder " + options.folder + " must be absolute, of letters, digits, '.', '_' and '-'");
  TRY(prepare_folders(paths, options));
  io::Fd lock = TRY(io::lock_file(options.folder + "/lock").with_context("another gateway process?"));
  return GatewayProcess(options, paths).run();
}

}  // namespace mcloud::gateway
