// Devices of networks with several access points: which of them are behind the ones here.
#include <algorithm>

#include "network/plan.h"
#include "node/network_adapter.h"

namespace mcloud::node {
namespace {

struct SharedAccess {
  uint32_t vni = 0;
  network::Ipv4 member;   // of the portal
  std::string range6;
  const network::Access* access = nullptr;
};

// Borrows `desired`.
std::vector<SharedAccess> shared_access(const std::map<ContractId, pb::LocalNetworks>& set, const network::DesiredNetworks& desired) {
  std::set<uint32_t> shared;
  for (const auto& [contract, local] : set) {
    for (const pb::LocalNetwork& network : local.networks()) {
      if (network.access().shared()) shared.insert(network.vni());
    }
  }
  std::vector<SharedAccess> out;
  for (const network::Network& network : desired.networks) {
    if (!shared.contains(network.vni) || !network.access) continue;
    for (const network::Member& member : network.members) {
      if (member.netns == network.access->portal) out.push_back({network.vni, member.address, network.range6, &*network.access});
    }
  }
  return out;
}

bool has_shared_access(const std::map<ContractId, pb::LocalNetworks>& set) {
  return std::any_of(set.begin(), set.end(), [](const auto& entry) {
    return std::any_of(entry.second.networks().begin(), entry.second.networks().end(),
                       [](const pb::LocalNetwork& network) { return network.access().shared(); });
  });
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

void NetworkAdapter::place_devices(network::DesiredNetworks& desired) const {
  for (network::Network& network : desired.networks) {
    if (!network.access) continue;
    for (network::Device& device : network.access->devices) {
      if (!device.is_here) device.is_here = places_.is_here({network.vni, device.address});
    }
  }
}

void NetworkAdapter::assume_devices(const network::ActualNetworks& actual) {
  const network::DesiredNetworks wanted = desired();
  for (const SharedAccess& shared : shared_access(set_, wanted)) {
    auto proxied = actual.proxied.find(shared.access->portal);
    if (proxied == actual.proxied.end()) continue;
    for (const auto& [device, is_whole] : proxied->second) places_.assume({shared.vni, device});
  }
}

Status NetworkAdapter::tend_devices() {
  if (mesh_keeper_ == nullptr || !has_shared_access(set_)) return {};
  const network::DesiredNetworks before = desired();
  std::set<DevicePlaces::Key> known;
  std::map<DevicePlaces::Key, network::DeviceAnnouncement> news;
  for (const SharedAccess& shared : shared_access(set_, before)) {
    auto claimed = machine_.claims(shared.access->portal, kPortalInterface);
    if (!claimed.has_value()) continue;  // not made yet
    auto figures = figures_of(mesh_keeper_->devices(), shared.access->portal);
    for (const network::Device& device : shared.access->devices) {
      const DevicePlaces::Key key{shared.vni, device.address};
      known.insert(key);
      if (!places_.look(key, {figures[device.key].received_bytes, claimed->contains(device.address)})) continue;
      news[key] = {shared.access->portal, kPortalInterface, shared.member, device.address,
                   network::address6_of(shared.range6, device.address)};
    }
  }
  places_.keep_only(known);
  const uint64_t revision = places_.revision();
  if (revision != placed_revision_) TRY(apply_again());
  placed_revision_ = revision;
  for (const auto& [key, announcement] : news) {
    TRY(machine_.announce(announcement));
    places_.told(key);
  }
  return {};
}

}  // namespace mcloud::node
