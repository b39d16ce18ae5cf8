// Devices of networks with several access points: which of them are behind the ones here.
#include <algorithm>

#include "network/plan.h"
#include "node/network_adapter.h"
#include "node/network_wish.h"

namespace mcloud::node {
namespace {

struct SharedAccess {
  uint32_t vni = 0;
  network::Ipv4 member;   // of the portal
  std::string range6;
  network::Access access;
};

bool has_shared_access(const pb::LocalNetworks& networks) {
  return std::any_of(networks.networks().begin(), networks.networks().end(),
                     [](const pb::LocalNetwork& network) { return network.access().shared(); });
}

std::vector<SharedAccess> shared_access(const std::map<ContractId, pb::LocalNetworks>& set,
                                        const std::map<std::string, std::string>& bridges) {
  std::vector<SharedAccess> out;
  for (const auto& [contract, local] : set) {
    network::DesiredNetworks wanted;
    // What cannot be understood has been refused.
    if (!has_shared_access(local) || !add_networks(contract, local, bridges, wanted).has_value()) continue;
    for (const network::Network& network : wanted.networks) {
      bool is_shared = std::any_of(local.networks().begin(), local.networks().end(), [&](const pb::LocalNetwork& one) {
        return one.vni() == network.vni && one.access().shared();
      });
      if (!is_shared || !network.access) continue;
      for (const network::Member& member : network.members) {
        if (member.netns == network.access->portal) out.push_back({network.vni, member.address, network.range6, *network.access});
      }
    }
  }
  return out;
}

std::map<network::WireGuardKey, network::PeerFigures> figures_of(const std::vector<network::ActualDevice>& devices,
                                                                 const std::string& portal) {
  for (const network::ActualDevice& device : devices) {
    if (device.device.netns == "mcloud-" + portal) return device.figures;
  }
  return {};
}

constexpr const char* kPortalInterface = "eth0";

}  // namespace

void NetworkAdapter::place_devices(network::Network& network) const {
  if (!network.access) return;
  for (network::Device& device : network.access->devices) {
    if (!device.is_here) device.is_here = places_.is_here({network.vni, device.address});
  }
}

void NetworkAdapter::assume_devices(const network::ActualNetworks& actual) {
  std::vector<SharedAccess> all = shared_access(set_, options_.bridges);
  for (const SharedAccess& shared : all) {
    auto proxied = actual.proxied.find(shared.access.portal);
    if (proxied == actual.proxied.end()) continue;
    for (const auto& [device, is_whole] : proxied->second) places_.assume({shared.vni, device});
  }
  if (!all.empty()) wish_all();
}

Status NetworkAdapter::tend_devices() {
  if (mesh_keeper_ == nullptr) return {};
  std::set<DevicePlaces::Key> known;
  std::map<DevicePlaces::Key, network::DeviceAnnouncement> news;
  for (const SharedAccess& shared : shared_access(set_, options_.bridges)) {
    auto claimed = machine_.claims(shared.access.portal, kPortalInterface);
    if (!claimed.has_value()) continue;  // not made yet
    auto figures = figures_of(mesh_keeper_->devices(), shared.access.portal);
    for (const network::Device& device : shared.access.devices) {
      const DevicePlaces::Key key{shared.vni, device.address};
      known.insert(key);
      if (!places_.look(key, {figures[device.key].received_bytes, claimed->contains(device.address)})) continue;
      news[key] = {shared.access.portal, kPortalInterface, shared.member, device.address,
                   network::address6_of(shared.range6, device.address)};
    }
  }
  places_.keep_only(known);
  const uint64_t revision = places_.revision();
  // Another contract's network that fails keeps no device from being found.
  Status first = revision != placed_revision_ ? apply_again() : Status();
  if (first.has_value()) placed_revision_ = revision;
  for (const auto& [key, announcement] : news) {
    Status told = machine_.announce(announcement);
    if (told.has_value()) places_.told(key);
    if (first.has_value()) first = told;
  }
  return first;
}

}  // namespace mcloud::node
