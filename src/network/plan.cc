#include "network/plan.h"

#include <algorithm>

#include "network/mesh.h"
#include "network/part_plan.h"
#include "network/sift.h"

namespace mcloud::network {
namespace {

constexpr int kMtuMin6 = 1280;

}  // namespace

std::vector<NetworkStep> plan(const DesiredNetworks& desired, const ActualNetworks& actual) {
  Sifted sifted = sift(desired);
  TransitNumbers numbers;
  const std::set<uint32_t> nobody;
  Rest rest{.numbers = numbers,
            .portals = nobody,
            .node_rules = [&](const Transits& transits) { return node_rules(sifted.desired, transits); },
            .sources_text = [&](Underlay underlay) { return sources_text(vxlan_sources(sifted.desired, underlay)); }};
  return plan_part(sifted.desired, actual, rest).steps;
}

std::vector<std::string> complaints(const DesiredNetworks& desired) { return sift(desired).complaints; }

std::optional<WireGuardDevice> access_device(const Network& network, int underlay_mtu) {
  if (!network.access.has_value()) return std::nullopt;
  WireGuardDevice device;
  device.name = kAccessDevice;
  device.netns = "mcloud-" + network.access->portal;
  device.secret = network.access->secret;
  device.port = network.access->port;
  device.mtu = std::max(kMtuMin6, underlay_mtu - kMeshOverhead);
  for (const Device& person : network.access->devices) {
    WireGuardPeer& peer = device.peers.emplace_back();
    peer.key = person.key;
    peer.is_routed = person.is_here;
    peer.has_left = !person.is_here;
    peer.allowed.push_back(person.address.text() + "/32");
    if (!network.range6.empty()) peer.allowed.push_back(address6_of(network.range6, person.address) + "/128");
    std::sort(peer.allowed.begin(), peer.allowed.end());
  }
  return device;
}

std::vector<WireGuardDevice> access_devices(const DesiredNetworks& desired) {
  std::vector<WireGuardDevice> out;
  for (const Network& network : sift(desired).desired.networks) {
    if (auto device = access_device(network, desired.underlay_mtu)) out.push_back(std::move(*device));
  }
  return out;
}

std::optional<Ipv4> transit_address(const ActualNetworks& actual, uint32_t vni, const std::string& portal) {
  if (portal.empty()) {
    auto found = actual.networks.find(vni);
    if (found == actual.networks.end() || !found->second.shape.has_value()) return std::nullopt;
    return transit_network_address(found->second.shape->transit);
  }
  for (const auto& [transit, there] : actual.portals) {
    if (there.has_value() && there->vni == vni && there->netns == portal) return transit_network_address(transit);
  }
  return std::nullopt;
}

}  // namespace mcloud::network
