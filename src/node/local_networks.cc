#include "node/local_networks.h"

#include <algorithm>
#include <numeric>

namespace mcloud::node {
namespace {

// Each as often as its weight among the others says.
void add_targets(const std::vector<const PublishedTarget*>& targets, pb::LocalPublication& publication) {
  uint32_t unit = 0;
  for (const PublishedTarget* target : targets) unit = std::gcd(unit, target->weight);
  for (const PublishedTarget* target : targets) {
    for (uint32_t i = 0; i < target->weight / std::max(unit, 1u); ++i) *publication.add_targets() = target->local;
  }
}

}  // namespace

pb::LocalNetworks contract_networks(const Orders& orders, const ContractId& contract, const std::set<ReplicaKey>& serving) {
  pb::LocalNetworks networks;
  networks.set_contract(contract.bytes());
  if (auto found = orders.networks.find(contract); found != orders.networks.end()) networks = found->second;
  auto publications = orders.publications.find(contract);
  if (publications == orders.publications.end()) return networks;
  std::vector<pb::LocalPublication> local;
  for (const Publication& publication : publications->second) {
    pb::LocalPublication& added = local.emplace_back(publication.publication);
    std::vector<const PublishedTarget*> targets;
    for (const PublishedTarget& target : publication.targets) {
      if (serving.contains({contract, target.workload, target.index})) targets.push_back(&target);
    }
    add_targets(targets, added);
    if (added.targets().empty()) local.pop_back();
  }
  std::sort(local.begin(), local.end(), [](const auto& a, const auto& b) {
    return std::pair(a.protocol(), a.port()) < std::pair(b.protocol(), b.port());
  });
  for (pb::LocalPublication& publication : local) *networks.add_publications() = std::move(publication);
  return networks;
}

namespace {

const pb::LocalMember* find_member(const pb::LocalNetwork& network, std::string_view netns) {
  auto found = std::find_if(network.members().begin(), network.members().end(),
                            [&](const pb::LocalMember& member) { return member.netns() == netns; });
  return found == network.members().end() ? nullptr : &*found;
}

// The same network in `networks`, without members if it was not there.
pb::LocalNetwork& network_like(const pb::LocalNetwork& like, pb::LocalNetworks& networks) {
  auto& all = *networks.mutable_networks();
  auto find = [&] { return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.vni() == like.vni(); }); };
  if (auto found = find(); found != all.end()) return *found;
  pb::LocalNetwork& added = *networks.add_networks();
  added = like;
  added.clear_members();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.vni() < b.vni(); });
  return *find();
}

}  // namespace

bool is_published(const pb::LocalNetworks& networks, std::string_view container_id) {
  for (const pb::LocalNetwork& network : networks.networks()) {
    const pb::LocalMember* member = find_member(network, container_id);
    if (member == nullptr) continue;
    for (const pb::LocalPublication& publication : networks.publications()) {
      if (publication.vni() != network.vni()) continue;
      for (const pb::LocalTarget& target : publication.targets()) {
        if (target.address() == member->address()) return true;
      }
    }
  }
  return false;
}

bool is_member(const pb::LocalNetworks& networks, std::string_view netns) {
  return std::any_of(networks.networks().begin(), networks.networks().end(),
                     [&](const pb::LocalNetwork& network) { return find_member(network, netns) != nullptr; });
}

void keep_member(const pb::LocalNetworks& from, std::string_view container_id, pb::LocalNetworks& to) {
  for (const pb::LocalNetwork& network : from.networks()) {
    const pb::LocalMember* member = find_member(network, container_id);
    if (member == nullptr) continue;
    pb::LocalNetwork& kept = network_like(network, to);
    if (find_member(kept, container_id) != nullptr) continue;
    *kept.add_members() = *member;
    // It may have its new place already; until it has left its old one, that is the nearer.
    auto* remotes = kept.mutable_remotes();
    remotes->erase(std::remove_if(remotes->begin(), remotes->end(),
                                  [&](const auto& remote) { return remote.address() == member->address(); }),
                   remotes->end());
  }
}

std::vector<network::NetworkNames> names_now(const Orders& orders, const std::set<ReplicaKey>& ready) {
  std::vector<network::NetworkNames> all;
  for (const NamesOrder& order : orders.names) {
    network::NetworkNames names = order.names;
    std::erase_if(names.members, [&](const network::ServedMember& member) {
      return !ready.contains({order.contract, member.workload, member.index});
    });
    all.push_back(std::move(names));
  }
  return all;
}

pb::LocalGateway gateway_now(const Orders& orders, const std::set<ReplicaKey>& serving) {
  pb::LocalGateway gateway = orders.gateway;
  for (pb::LocalSite& site : *gateway.mutable_sites()) {
    auto contract = ContractId::from_bytes(site.contract());
    for (pb::LocalServer& server : *site.mutable_servers()) {
      server.set_serves(contract.has_value() && serving.contains({*contract, server.target(), server.index()}));
    }
  }
  return gateway;
}

}  // namespace mcloud::node
