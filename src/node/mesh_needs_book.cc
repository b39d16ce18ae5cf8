#include "node/mesh_needs_book.h"

namespace mcloud::node {
namespace {

// Networks of WireGuard devices that it needs.
std::set<uint32_t> vnis_of(const pb::LocalNetworks& networks) {
  std::set<uint32_t> vnis;
  for (const pb::LocalNetwork& network : networks.networks()) {
    if (network.encryption() == pb::ENCRYPTION_WIREGUARD) vnis.insert(0);
    if (network.encryption() == pb::ENCRYPTION_DEDICATED) vnis.insert(network.vni());
  }
  return vnis;
}

}  // namespace

void MeshNeedsBook::add(const ContractId& contract, const pb::LocalNetworks& networks) {
  std::set<uint32_t> vnis = vnis_of(networks);
  meshed_ += vnis.contains(0);
  for (uint32_t vni : vnis) {
    Wanted& wanted = wanted_[vni];
    ++wanted.contracts;
    needs_.peers.try_emplace(vni);
    for (const pb::Node& peer : networks.peers()) {
      wanted.peers[peer.key()].insert({peer.mesh_keys_size(), contract, &peer});
      settle(vni, peer.key());
    }
  }
}

void MeshNeedsBook::remove(const ContractId& contract, const pb::LocalNetworks& networks) {
  std::set<uint32_t> vnis = vnis_of(networks);
  meshed_ -= vnis.contains(0);
  for (uint32_t vni : vnis) {
    Wanted& wanted = wanted_[vni];
    for (const pb::Node& peer : networks.peers()) {
      wanted.peers[peer.key()].erase({peer.mesh_keys_size(), contract, &peer});
      settle(vni, peer.key());
    }
    if (--wanted.contracts > 0) continue;
    wanted_.erase(vni);
    needs_.peers.erase(vni);
  }
}

void MeshNeedsBook::settle(uint32_t vni, const Bytes& peer) {
  Wanted& wanted = wanted_[vni];
  auto sayings = wanted.peers.find(peer);
  if (sayings == wanted.peers.end()) return;
  if (sayings->second.empty()) {
    wanted.peers.erase(sayings);
    needs_.peers[vni].erase(peer);
  } else {
    needs_.peers[vni][peer] = *sayings->second.begin()->node;
  }
}

const MeshNeeds& MeshNeedsBook::needs(const pb::LocalMesh& mesh) {
  needs_.is_meshed = meshed_ > 0 || MeshNeeds::is_mesh_for_relays(mesh, !needs_.dedicated().empty());
  return needs_;
}

}  // namespace mcloud::node
