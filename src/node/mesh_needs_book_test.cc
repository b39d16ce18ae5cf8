#include "node/mesh_needs_book.h"

#include <doctest/doctest.h>

#include "testing/simulated_random.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

ContractId contract_of(uint64_t number) { return ContractId::from_bytes(Bytes(32, static_cast<char>('a' + number))).value(); }

pb::LocalNetworks random_networks(Random& random) {
  pb::LocalNetworks out;
  for (uint64_t left = random.below(3); left > 0; --left) {
    pb::LocalNetwork& network = *out.add_networks();
    network.set_vni(static_cast<uint32_t>(1 + random.below(4)));
    const pb::Encryption kinds[] = {pb::ENCRYPTION_NONE, pb::ENCRYPTION_WIREGUARD, pb::ENCRYPTION_DEDICATED};
    network.set_encryption(kinds[random.below(3)]);
  }
  for (uint64_t left = random.below(5); left > 0; --left) {
    pb::Node& peer = *out.add_peers();
    peer.set_key(Bytes(32, static_cast<char>('0' + random.below(6))));
    peer.set_farm("farm" + std::to_string(random.below(3)));
    for (uint64_t keys = random.below(3); keys > 0; --keys) peer.add_mesh_keys()->set_slot(static_cast<uint32_t>(keys));
  }
  return out;
}

void check_same(const MeshNeeds& some, const MeshNeeds& all) {
  CHECK_EQ(some.is_meshed, all.is_meshed);
  REQUIRE_EQ(some.peers.size(), all.peers.size());
  for (const auto& [vni, peers] : all.peers) {
    REQUIRE(some.peers.contains(vni));
    REQUIRE_EQ(some.peers.at(vni).size(), peers.size());
    for (const auto& [key, node] : peers) CHECK(wire::encode(some.peers.at(vni).at(key)) == wire::encode(node));
  }
}

}  // namespace

TEST_CASE("what the mesh needs is the same kept up with changes and gathered from all") {
  size_t changes = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    testing::SimulatedRandom random(seed);
    MeshNeedsBook book;
    std::map<ContractId, pb::LocalNetworks> set;
    pb::LocalMesh mesh;
    mesh.mutable_self()->mutable_addresses()->set_relay(random.below(2) == 0);
    for (int round = 0; round < 60; ++round) {
      ContractId contract = contract_of(random.below(6));
      if (set.contains(contract)) book.remove(contract, set.at(contract));
      set.erase(contract);
      if (random.below(3) != 0) book.add(contract, set[contract] = random_networks(random));
      if (random.below(10) == 0) mesh.add_guests();
      if (random.below(20) == 0) mesh.mutable_self()->add_mesh_keys()->set_slot(network::kRelaySlot);
      if (random.below(20) == 0) mesh.mutable_self()->add_mesh_keys()->set_slot(network::kRelaySlot);
      check_same(book.needs(mesh), MeshNeeds::of(set, mesh));
      ++changes;
    }
  }
  CHECK_GT(changes, 3000);
}
