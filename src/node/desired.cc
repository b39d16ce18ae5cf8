#include "node/desired.h"

#include <algorithm>
#include <optional>

#include "contract/header.h"
#include "crypto/hash.h"
#include "network/names.h"
#include "node/kv_task.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

const pb::SpaceGrant* find_grant(const pb::Contract& record, std::string_view space) {
  for (const pb::SpaceGrant& grant : record.spaces()) {
    if (grant.name() == space) return &grant;
  }
  return nullptr;
}

const std::string* find_lease(const pb::SpaceGrant& grant, std::string_view workload, uint32_t index) {
  for (const pb::SpaceLease& lease : grant.leases()) {
    if (lease.workload() == workload && lease.index() == index) return &lease.address();
  }
  return nullptr;
}

// One contract's part of the orders.
class ContractOrders {
 public:
  ContractOrders(const LedgerView& ledger, const pb::AssignedContract& assigned, const ContractId& id, Orders& orders)
      : ledger_(ledger), assigned_(assigned), id_(id), orders_(orders) {}

  void build() {
    for (const pb::AssignedReplica& replica : assigned_.replicas()) {
      orders_.assigned[key_of(replica)] = {replica.epoch(), replica.version()};
    }
    auto view = ledger_.contracts.find(id_);
    if (auto refused = ledger_.refused.find(id_); refused != ledger_.refused.end()) {
      return refuse_all(refused->second);
    }
    if (view == ledger_.contracts.end()) {
      return refuse_all(make_error(Code::Unavailable, "the contract could not be read"));
    }
    view_ = &view->second;
    if (assigned_.erase_volumes() && assigned_.replicas().empty()) return note_erase();
    for (const pb::AssignedReplica& replica : assigned_.replicas()) {
      Status done = add_replica(replica);
      if (!done.has_value()) refuse(key_of(replica), done.error());
    }
    add_networks();
  }

 private:
  ReplicaKey key_of(const pb::AssignedReplica& replica) const { return {id_, replica.workload(), replica.index()}; }

  void refuse(const ReplicaKey& replica, const Error& reason) {
    orders_.desired.unverified.insert(replica);
    orders_.refusals[replica] = reason;
  }
  void refuse_all(const Error& reason) {
    for (const pb::AssignedReplica& replica : assigned_.replicas()) refuse(key_of(replica), reason);
  }

  // Two records must say it: erasing is the one step that cannot be taken back.
  void note_erase() {
    bool agreed = view_->record.erase_volumes() && view_->record.current().state() != pb::CONTRACT_ACTIVE;
    if (agreed) orders_.desired.erase.insert(id_);
  }

  // The assignment and the workload's record may be of different heights: nothing is done until they agree.
  Status check_placement(const pb::AssignedReplica& replica) const {
    auto workload = view_->workloads.find(replica.workload());
    if (workload == view_->workloads.end()) return make_error(Code::Unavailable, "the workload's record could not be read");
    for (const pb::Replica& placed : workload->second.replicas()) {
      if (placed.index() != replica.index()) continue;
      if (placed.node() != ledger_.node_id.view() || placed.epoch() != replica.epoch()) {
        return make_error(Code::Conflict, "it was placed anew meanwhile");
      }
      return {};
    }
    return make_error(Code::Conflict, "the workload's record does not have it");
  }

  Status add_replica(const pb::AssignedReplica& replica) {
    TRY(check_placement(replica));
    auto version = view_->versions.find(replica.version());
    if (version == view_->versions.end()) {
      return make_error(Code::Unavailable, "version " + std::to_string(replica.version()) + " of the contract is not known");
    }
    const auto& contract = version->second;
    const pb::Facets* facets = contract::find_facets(contract->header(), replica.workload());
    const pb::WorkloadBody* body = contract::find_body(contract->body(), replica.workload());
    if (facets == nullptr || body == nullptr || replica.index() >= facets->replicas()) {
      return make_error(Code::Denied, "version " + std::to_string(replica.version()) + " does not have it");
    }
    if (body->has_volume()) {
      add_volume(key_of(replica), body->volume().size_bytes());
      return {};
    }
    ContainerTask task{.replica = key_of(replica), .contract = contract, .facets = facets,
                       .epoch = replica.epoch(), .version = replica.version(), .secret_key = view_->secret_key};
    if (body->has_container()) {
      task.container = &body->container();
      return add_container(std::move(task));
    }
    if (body->has_kv()) return add_kv(std::move(task), body->kv());
    return make_error(Code::Unsupported, "a workload of kind " + facets->kind() + " has nothing to run");
  }

  void add_volume(const ReplicaKey& volume, uint64_t size_bytes) {
    orders_.volumes[volume] = {.replica = volume, .size_bytes = size_bytes};
    orders_.desired.volumes[volume] = {.size_bytes = size_bytes};
  }

  const std::string* lease_of(const std::string& space, const std::string& workload, uint32_t index) const {
    const pb::SpaceGrant* grant = find_grant(view_->record, space);
    return grant == nullptr ? nullptr : find_lease(*grant, workload, index);
  }

  Status add_container(ContainerTask task) {
    for (const std::string& space : task.facets->spaces()) {
      const std::string* lease = lease_of(space, task.replica.workload, task.replica.index);
      if (lease == nullptr) return make_error(Code::Unavailable, "it has no address in network " + space + " yet");
      pb::LeasedAddress address;
      address.set_space(space);
      address.set_address(*lease);
      task.addresses.push_back(std::move(address));
    }
    DesiredContainer desired{.epoch = task.epoch, .version = task.version,
                             .stop_on_isolation = task.facets->on_isolation() == pb::ISOLATION_STOP};
    for (const pb::Mount& mount : task.container->mounts()) {
      if (mount.volume().empty()) continue;
      ReplicaKey volume{id_, mount.volume(), task.replica.index};
      task.volumes[mount.path()] = volume;
      desired.volumes.push_back(volume);
    }
    task.hosts_file = hosts_of(task);
    desired.spec = task.spec = spec_of(task);
    orders_.desired.containers[task.replica] = std::move(desired);
    orders_.containers.insert_or_assign(task.replica, std::move(task));
    return {};
  }

  // Our own program, with a volume under the replica's own name.
  Status add_kv(ContainerTask task, const pb::KvBody& body) {
    ReplicaKey replica = task.replica;
    const pb::Facets& facets = *task.facets;
    uint64_t epoch = task.epoch;
    task.built_in = kv_container(body, facets);
    task.container = task.built_in.get();
    TRY(add_container(std::move(task)));
    add_volume(replica, body.disk_bytes());
    if (facets.has_set()) add_set(replica, facets, epoch, static_cast<uint16_t>(body.port()));
    return {};
  }

  void add_set(const ReplicaKey& replica, const pb::Facets& facets, uint64_t epoch, uint16_t port) {
    const pb::Workload& workload = view_->workloads.at(replica.workload);
    SetOrder order = set_order(workload, facets.set(), {replica.index, epoch});
    order.port = port;
    if (order.primary && !facets.spaces().empty()) {
      const std::string* host = lease_of(facets.spaces(0), replica.workload, order.primary->index);
      if (host != nullptr) order.primary_host = *host;
    }
    orders_.sets.insert_or_assign(replica, std::move(order));
  }

  Hash spec_of(const ContainerTask& task) const {
    pb::LocalSpec spec;
    spec.set_chain_id(ledger_.chain_id);
    spec.set_contract(id_.bytes());
    spec.set_workload(task.replica.workload);
    spec.set_index(task.replica.index);
    *spec.mutable_container() = *task.container;
    spec.mutable_container()->clear_health();
    spec.mutable_container()->clear_restart();
    spec.mutable_container()->clear_stop_grace_ms();
    spec.mutable_container()->mutable_image()->clear_source();  // the digest says which image it is
    *spec.mutable_demand() = task.facets->demand();
    for (const pb::LeasedAddress& address : task.addresses) *spec.add_addresses() = address;
    if (!task.secret_key.empty()) spec.set_secret_key_hash(crypto::blake2b(task.secret_key).bytes());
    return crypto::blake2b(wire::encode(spec));
  }

  std::string hosts_of(const ContainerTask& task) const {
    network::Names names{.contract = task.contract->header().name(),
                         .own_name = network::host_name(task.replica.workload, task.replica.index)};
    for (const pb::LeasedAddress& own : task.addresses) {
      const pb::SpaceGrant* grant = find_grant(view_->record, own.space());
      auto own_address = network::Ipv4::parse(own.address());
      if (own_address.has_value() && names.own_address.is_none()) names.own_address = *own_address;
      if (grant == nullptr) continue;
      for (const pb::SpaceLease& lease : grant->leases()) {
        auto address = network::Ipv4::parse(lease.address());
        if (address.has_value()) names.members.push_back({lease.workload(), lease.index(), *address});
      }
    }
    return network::hosts_file(names);
  }

  const VerifiedContract* newest() const {
    return view_->versions.empty() ? nullptr : view_->versions.rbegin()->second.get();
  }

  // The facets of a replica here: of the version it runs, or, when that is not known, of the newest.
  const pb::Facets* facets_of(const pb::AssignedReplica& replica) const {
    auto version = view_->versions.find(replica.version());
    const VerifiedContract* contract = version == view_->versions.end() ? newest() : version->second.get();
    return contract == nullptr ? nullptr : contract::find_facets(contract->header(), replica.workload());
  }

  void add_networks() {
    pb::LocalNetworks networks;
    networks.set_contract(id_.bytes());
    std::vector<const pb::SpaceGrant*> grants;
    for (const pb::SpaceGrant& grant : view_->record.spaces()) grants.push_back(&grant);
    std::sort(grants.begin(), grants.end(), [](auto* a, auto* b) { return a->vni() < b->vni(); });
    for (const pb::SpaceGrant* grant : grants) {
      pb::LocalNetwork network;
      network.set_name(grant->name());
      network.set_vni(grant->vni());
      network.set_range(grant->range());
      add_members(*grant, network);
      if (network.members().empty()) continue;
      add_remotes(*grant, network);
      *networks.add_networks() = std::move(network);
    }
    add_publications();
    if (!networks.networks().empty()) orders_.networks[id_] = std::move(networks);
  }

  void add_members(const pb::SpaceGrant& grant, pb::LocalNetwork& network) const {
    for (const pb::AssignedReplica& replica : assigned_.replicas()) {
      const pb::Facets* facets = facets_of(replica);
      if (facets == nullptr) continue;
      auto space = std::find(facets->spaces().begin(), facets->spaces().end(), grant.name());
      const std::string* lease = find_lease(grant, replica.workload(), replica.index());
      if (space == facets->spaces().end() || lease == nullptr) continue;
      pb::LocalMember* member = network.add_members();
      member->set_netns(container_id(key_of(replica)));
      member->set_interface("eth" + std::to_string(space - facets->spaces().begin()));
      member->set_address(*lease);
    }
  }

  void add_remotes(const pb::SpaceGrant& grant, pb::LocalNetwork& network) const {
    for (const pb::SpaceLease& lease : grant.leases()) {
      auto workload = view_->workloads.find(lease.workload());
      if (workload == view_->workloads.end()) continue;
      for (const pb::Replica& replica : workload->second.replicas()) {
        if (replica.index() != lease.index() || replica.node() == ledger_.node_id.view()) continue;
        auto node_id = NodeId::from_bytes(replica.node());
        auto node = node_id.has_value() ? ledger_.nodes.find(*node_id) : ledger_.nodes.end();
        if (node == ledger_.nodes.end()) continue;
        pb::LocalRemote* remote = network.add_remotes();
        remote->set_address(lease.address());
        remote->set_node(node->second.addresses().backplane());
      }
    }
  }

  void add_publications() {
    const VerifiedContract* contract = newest();
    if (contract == nullptr) return;
    std::vector<Publication> publications;
    for (const pb::WorkloadBody& workload : contract->body().workloads()) {
      if (workload.has_publish()) add_publication(*contract, workload.publish(), publications);
    }
    if (!publications.empty()) orders_.publications[id_] = std::move(publications);
  }

  void add_publication(const VerifiedContract& contract, const pb::PublishBody& body,
                       std::vector<Publication>& publications) const {
    const pb::Facets* target = contract::find_facets(contract.header(), body.target());
    if (target == nullptr || target->spaces().empty()) return;
    const pb::SpaceGrant* grant = find_grant(view_->record, target->spaces(0));
    if (grant == nullptr) return;
    Publication publication;
    publication.workload = body.target();
    publication.publication.set_protocol(body.protocol());
    publication.publication.set_port(body.port());
    publication.publication.set_vni(grant->vni());
    for (const pb::AssignedReplica& replica : assigned_.replicas()) {
      const std::string* lease = find_lease(*grant, replica.workload(), replica.index());
      if (replica.workload() != body.target() || lease == nullptr) continue;
      pb::LocalTarget& local = publication.targets[replica.index()];
      local.set_address(*lease);
      local.set_port(body.target_port());
    }
    if (!publication.targets.empty()) publications.push_back(std::move(publication));
  }

  const LedgerView& ledger_;
  const pb::AssignedContract& assigned_;
  const ContractId id_;
  Orders& orders_;
  const ContractView* view_ = nullptr;
};

}  // namespace

Orders build_orders(const LedgerView& view) {
  Orders orders;
  orders.desired.known = true;
  orders.fence_after_ms = view.parameters.fence_after_ms();
  orders.node_epoch = view.node.epoch();
  orders.fenced = view.node.state() == pb::NODE_FENCED;
  for (const pb::AssignedContract& assigned : view.assignment.contracts()) {
    auto id = ContractId::from_bytes(assigned.contract());
    if (!id.has_value()) continue;  // nothing that we, or anybody, could name
    ContractOrders(view, assigned, *id, orders).build();
  }
  return orders;
}

pb::LocalNetworks contract_networks(const Orders& orders, const ContractId& contract, const std::set<ReplicaKey>& serving) {
  pb::LocalNetworks networks;
  networks.set_contract(contract.bytes());
  if (auto found = orders.networks.find(contract); found != orders.networks.end()) networks = found->second;
  auto publications = orders.publications.find(contract);
  if (publications == orders.publications.end()) return networks;
  std::vector<pb::LocalPublication> local;
  for (const Publication& publication : publications->second) {
    pb::LocalPublication& added = local.emplace_back(publication.publication);
    for (const auto& [index, target] : publication.targets) {
      if (serving.contains({contract, publication.workload, index})) *added.add_targets() = target;
    }
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

std::string container_id(const ReplicaKey& replica) {
  return replica.contract.hex().substr(0, 16) + "-" + replica.workload + "-" + std::to_string(replica.index);
}

std::string ContainerTask::container_id() const { return node::container_id(replica); }

}  // namespace mcloud::node
