#include "node/wanted_networks.h"

#include "crypto/hash.h"
#include "node/local_networks.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

// All that contract_networks() reads of the orders.
Hash hash_of(const Orders& orders, const ContractId& contract) {
  Bytes text;
  auto add = [&](const Bytes& part) {
    append_u64_be(text, part.size());
    text += part;
  };
  if (auto networks = orders.networks.find(contract); networks != orders.networks.end()) add(wire::encode(networks->second));
  auto publications = orders.publications.find(contract);
  if (publications == orders.publications.end()) return crypto::blake2b(text);
  for (const Publication& publication : publications->second) {
    add(wire::encode(publication.publication));
    append_u64_be(text, publication.targets.size());
    for (const PublishedTarget& target : publication.targets) {
      add(target.workload);
      append_u64_be(text, uint64_t{target.index} << 32 | target.weight);
      add(wire::encode(target.local));
    }
  }
  return crypto::blake2b(text);
}

std::vector<bool> served_of(const Orders& orders, const ContractId& contract, const std::set<ReplicaKey>& serving) {
  std::vector<bool> served;
  auto publications = orders.publications.find(contract);
  if (publications == orders.publications.end()) return served;
  for (const Publication& publication : publications->second) {
    for (const PublishedTarget& target : publication.targets) {
      served.push_back(serving.contains({contract, target.workload, target.index}));
    }
  }
  return served;
}

}  // namespace

HashedNetworks::HashedNetworks(const pb::LocalNetworks& networks) : local(networks), hash(crypto::blake2b(wire::encode(networks))) {}

void WantedNetworks::take(const Orders& orders) {
  std::erase_if(kept_, [&](const auto& entry) { return !orders.networks.contains(entry.first); });
  for (const auto& [contract, networks] : orders.networks) {
    Hash hash = hash_of(orders, contract);
    Kept& kept = kept_[contract];
    if (kept.networks == nullptr || kept.orders != hash) kept = {.orders = hash, .served = {}, .networks = nullptr};
  }
}

std::shared_ptr<const HashedNetworks> WantedNetworks::of(const Orders& orders, const ContractId& contract,
                                                         const std::set<ReplicaKey>& serving) {
  Kept& kept = kept_[contract];
  std::vector<bool> served = served_of(orders, contract, serving);
  if (kept.networks != nullptr && kept.served == served) return kept.networks;
  ++made_;
  kept.served = std::move(served);
  kept.networks = std::make_shared<HashedNetworks>(contract_networks(orders, contract, serving));
  return kept.networks;
}

}  // namespace mcloud::node
