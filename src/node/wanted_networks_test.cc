#include "node/wanted_networks.h"

#include <doctest/doctest.h>

#include "node/local_networks.h"
#include "testing/simulated_random.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

ContractId contract_of(uint64_t number) { return ContractId::from_bytes(Bytes(32, static_cast<char>('a' + number))).value(); }

// Some of a contract's orders are made anew.
void change(Orders& orders, Random& random) {
  ContractId contract = contract_of(random.below(5));
  orders.networks.erase(contract);
  orders.publications.erase(contract);
  if (random.below(5) == 0) return;
  pb::LocalNetwork& network = *orders.networks[contract].add_networks();
  network.set_vni(static_cast<uint32_t>(1 + random.below(3)));
  network.add_members()->set_address("10.42.0." + std::to_string(2 + random.below(3)));
  if (random.below(3) == 0) return;
  Publication& publication = orders.publications[contract].emplace_back();
  publication.publication.set_port(static_cast<uint32_t>(80 + random.below(2)));
  for (uint32_t index = 0; index < 2; ++index) {
    PublishedTarget& target = publication.targets.emplace_back();
    target.workload = "web";
    target.index = index;
    target.weight = static_cast<uint32_t>(1 + random.below(3));
    target.local.set_address("10.42.0." + std::to_string(2 + index));
  }
}

}  // namespace

TEST_CASE("networks that are kept are those that would be made, and only what changes is made") {
  testing::SimulatedRandom random(1);
  Orders orders;
  WantedNetworks wanted;
  std::set<ReplicaKey> serving;
  size_t asked = 0;
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    if (random.below(4) == 0) change(orders, random);
    if (random.below(4) == 0) wanted.take(orders);
    if (random.below(4) == 0) {
      ReplicaKey replica{contract_of(random.below(5)), "web", static_cast<uint32_t>(random.below(2))};
      if (!serving.insert(replica).second) serving.erase(replica);
    }
    wanted.take(orders);
    for (const auto& [contract, networks] : orders.networks) {
      auto made = wanted.of(orders, contract, serving);
      CHECK(wire::encode(made->local) == wire::encode(contract_networks(orders, contract, serving)));
      CHECK(made->hash == HashedNetworks(made->local).hash);
      ++asked;
    }
  }
  CHECK_LT(wanted.made(), asked / 5);
}
