// What networks of this machine have carried.
#include "base/log.h"
#include "io/file.h"
#include "network/netns.h"
#include "node/network_adapter.h"

namespace mcloud::node {
namespace {

// Of the namespace that the thread is in.
std::map<std::string, LinkFigures> links_here() {
  auto text = io::read_file("/proc/thread-self/net/dev", 4 << 20);
  return text.has_value() ? parse_net_dev(*text) : std::map<std::string, LinkFigures>();
}

Result<std::map<std::string, LinkFigures>> links_in(const std::string& path) {
  io::Fd netns = TRY(network::open_netns(path));
  auto scope = TRY(network::NetnsScope::enter(netns));
  return links_here();
}

}  // namespace

Figures NetworkAdapter::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

void NetworkAdapter::note_figures() {
  Figures figures;
  for (const auto& [contract, local] : set_) {
    for (const pb::LocalNetwork& network : local.networks()) {
      auto links = links_in(options_.netns_folder + "/mcloud_net_" + std::to_string(network.vni()));
      if (!links.has_value()) continue;
      add_network_figures({label_of(contract.view()), network.name(), network.vni()}, (*links)["vx0"], (*links)["up0"], figures);
    }
  }
  if (auto rules = machine_.read_counters(); rules.has_value()) add_rule_figures(*rules, figures);
  if (mesh_keeper_ != nullptr)
    add_mesh_figures(mesh_keeper_->devices(), mesh_keeper_->key_owners(), clock_.wall_ms(), figures);
  std::lock_guard lock(mutex_);
  figures_ = std::move(figures);
}

}  // namespace mcloud::node
