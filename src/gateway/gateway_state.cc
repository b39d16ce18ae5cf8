// What the gateway process says about itself: FOLDER/state.
#include <algorithm>

#include "base/log.h"
#include "gateway/gateway_process.h"
#include "gateway/udp_sites.h"
#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kStateMs = 1'000;

bool leads(const UdpDoor::Target& target) { return io::exists(target.socket); }

}  // namespace

// What keeps a site from being served comes first, then what keeps a domain from it, then what only will.
std::string GatewayProcess::message_of(const pb::LocalSite& site, const std::string& key) const {
  if (auto problem = problems_.find(key); problem != problems_.end()) return problem->second;
  if (is_udp_by_tunnel(site)) {
    auto problem = udp_problems_.find(udp_door(site, paths_).name);
    if (problem != udp_problems_.end()) return problem->second;
  }
  for (const std::string& domain : site.site().domains()) {
    std::string message = domains_.proofs().message(domain, to_hex(site.contract()), clock_.wall_ms());
    if (!message.empty()) return message;
  }
  std::string message = certificates_.message(key);
  return message.empty() ? acme_.message(key) : message;
}

pb::SiteState GatewayProcess::state_of(const pb::LocalSite& site, const std::map<std::string, BackendFigures>& figures) const {
  std::string key = site_key(site);
  pb::SiteState state;
  state.set_contract(site.contract());
  state.set_workload(site.workload());
  state.set_certificate_expires_ms(certificates_.expires_ms(key));
  state.set_message(message_of(site, key));
  for (const std::string& domain : site.site().domains()) {
    if (domains_.proofs().holder(domain, clock_.wall_ms()) != to_hex(site.contract())) state.add_domains_waiting(domain);
  }
  for (auto backend = backend_sites_.lower_bound(key + "_"); backend != backend_sites_.end() && backend->second == key; ++backend) {
    auto counted = figures.find(backend->first);
    if (counted == figures.end()) continue;
    state.set_requests(state.requests() + counted->second.requests);
    state.set_bytes_in(state.bytes_in() + counted->second.bytes_in);
    state.set_bytes_out(state.bytes_out() + counted->second.bytes_out);
    state.set_servers_up(state.servers_up() + counted->second.servers_up);
  }
  bool is_kernels = site.site().mode() == pb::SITE_UDP && !is_udp_by_tunnel(site);
  state.set_serves(!problems_.contains(key) && (is_kernels || state.servers_up() > 0));
  return state;
}

// A door that is not open leads nowhere.
void GatewayProcess::add_udp_figures(std::map<std::string, BackendFigures>& figures) const {
  if (!udp_doors_) return;
  std::map<std::string, UdpFigures> counted = udp_doors_->figures();
  for (const UdpDoor& door : udp_wanted_) {
    auto open = counted.find(door.name);
    if (open == counted.end()) continue;
    auto servers_up = static_cast<uint32_t>(std::ranges::count_if(door.targets, leads));
    figures[door.name] = {open->second.flows, open->second.bytes_in, open->second.bytes_out, servers_up};
  }
}

void GatewayProcess::write_state() {
  uint64_t now_ms = clock_.monotonic_ms();
  uint64_t in_force = keeper_.agrees() && !must_decide_ ? revision_ : 0;
  // Figures have time; whoever waits for his wish to be in force has not.
  if (now_ms < next_state_ms_ && in_force == last_in_force_) return;
  next_state_ms_ = now_ms + kStateMs;
  last_in_force_ = in_force;
  pb::GatewayState state;
  state.set_wanted_revision(in_force);
  for (const std::string& message : {wanted_problem_, decide_problem_, keeper_.message(), tunnels_problem_, udp_problem_}) {
    if (state.message().empty()) state.set_message(message);
  }
  if (wanted_.has_value()) {
    std::map<std::string, BackendFigures> figures = keeper_.figures();
    add_udp_figures(figures);
    for (const pb::LocalSite& site : wanted_->sites()) *state.add_sites() = state_of(site, figures);
  }
  std::string text = wire::encode(state);
  if (text == last_state_) return;
  Status written = io::write_file(options_.folder + "/state", text, io::Durability::None, 0600);
  if (!written.has_value()) return log::error("gateway", written.error().message);
  last_state_ = std::move(text);
}

}  // namespace mcloud::gateway
