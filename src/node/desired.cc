#include "node/desired.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "contract/header.h"
#include "crypto/hash.h"
#include "network/names.h"
#include "node/kv_task.h"
#include "node/mesh_facts.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

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
    facts_.emplace(ledger_, assigned_, id_, view->second);
    if (assigned_.erase_volumes() && assigned_.replicas().empty()) return note_erase();
    sites_ = site_orders(*facts_);
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
    bool agreed = facts_->view.record.erase_volumes() && facts_->view.record.current().state() != pb::CONTRACT_ACTIVE;
    if (agreed) orders_.desired.erase.insert(id_);
  }

  // The assignment and the workload's record may be of different heights: nothing is done until they agree.
  Status check_placement(const pb::AssignedReplica& replica) const {
    auto workload = facts_->view.workloads.find(replica.workload());
    if (workload == facts_->view.workloads.end()) return make_error(Code::Unavailable, "the workload's record could not be read");
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
    auto version = facts_->view.versions.find(replica.version());
    if (version == facts_->view.versions.end()) {
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
    if (body->has_network() || body->has_publish()) return add_portal(replica, *facets, body->has_publish());
    ContainerTask task{.replica = key_of(replica), .contract = contract, .facets = facets,
                       .epoch = replica.epoch(), .version = replica.version(), .secret_key = facts_->view.secret_key};
    if (body->has_container()) {
      task.container = &body->container();
      return add_container(std::move(task));
    }
    if (body->has_kv()) return add_kv(std::move(task), body->kv());
    return make_error(Code::Unsupported, "a workload of kind " + facets->kind() + " has nothing to run");
  }

  // Its place in the networks is made with these; nothing of its own is started.
  Status add_portal(const pb::AssignedReplica& replica, const pb::Facets& facets, bool is_site) {
    ReplicaKey key = key_of(replica);
    if (auto refused = sites_.refused.find(key); refused != sites_.refused.end()) return refused->second;
    for (const std::string& space : facets.spaces()) {
      if (facts_->lease_of(space, key.workload, key.index) == nullptr) return no_address(space);
    }
    PortalTask& task = orders_.portals[key] = {.epoch = replica.epoch(), .version = replica.version(), .is_site = is_site, .netns = {}};
    for (int space = 0; space < facets.spaces_size(); ++space) task.netns.push_back(portal_netns(key, static_cast<size_t>(space)));
    return {};
  }

  static Error no_address(const std::string& space) {
    return make_error(Code::Unavailable, "it has no address in network " + space + " yet");
  }

  void add_volume(const ReplicaKey& volume, uint64_t size_bytes) {
    orders_.volumes[volume] = {.replica = volume, .size_bytes = size_bytes};
    orders_.desired.volumes[volume] = {.size_bytes = size_bytes};
  }

  Status add_container(ContainerTask task) {
    for (const std::string& space : task.facets->spaces()) {
      const std::string* lease = facts_->lease_of(space, task.replica.workload, task.replica.index);
      if (lease == nullptr) return no_address(space);
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
    task.resolv_conf = resolv_conf_of(task);
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
    const pb::Workload& workload = facts_->view.workloads.at(replica.workload);
    SetOrder order = set_order(workload, facets.set(), {replica.index, epoch});
    order.port = port;
    if (order.primary && !facets.spaces().empty()) {
      const std::string* host = facts_->lease_of(facets.spaces(0), replica.workload, order.primary->index);
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

  // Its own name only: others are asked of the resolver, which knows who serves.
  std::string hosts_of(const ContainerTask& task) const {
    network::Names names{.contract = task.contract->header().name(),
                         .own_name = network::host_name(task.replica.workload, task.replica.index),
                         .own_address = {},
                         .members = {}};
    for (const pb::LeasedAddress& own : task.addresses) {
      auto address = network::Ipv4::parse(own.address());
      if (address.has_value() && names.own_address.is_none()) names.own_address = *address;
    }
    return network::hosts_file(names);
  }

  std::string resolv_conf_of(const ContainerTask& task) const {
    if (task.addresses.empty()) return "";
    const pb::SpaceGrant* grant = facts_->grant_of(task.addresses[0].space());
    auto range = network::Range::parse(grant == nullptr ? "" : grant->range());
    if (!range.has_value()) return "";
    return "nameserver " + range->gateway().text() + "\nsearch " + task.contract->header().name() +
           ".internal\noptions ndots:1 timeout:1 attempts:3\n";
  }

  void add_networks() {
    NetworkOrders made = network_orders(*facts_, sites_);
    if (!made.networks.networks().empty()) orders_.networks[id_] = std::move(made.networks);
    if (!made.publications.empty()) orders_.publications[id_] = std::move(made.publications);
    for (NamesOrder& names : made.names) orders_.names.push_back(std::move(names));
    // Of several ways to a node the one in the mesh.
    for (const auto& [node, reach] : made.reach) {
      auto [known, is_new] = orders_.reach.try_emplace(node, reach);
      if (!is_new && reach.netns == network::kMeshNetns) known->second = reach;
    }
    for (const auto& [name, workload] : facts_->view.workloads) add_elsewhere(name, workload);
    for (const std::string& target : sites_.targets) orders_.behind_gateways.emplace(id_, target);
    orders_.gateway.mutable_sites()->Add(sites_.sites.begin(), sites_.sites.end());
    add_tunnels();
  }

  void add_elsewhere(const std::string& name, const pb::Workload& workload) {
    const VerifiedContract* contract = facts_->newest();
    const pb::Facets* facets = contract == nullptr ? nullptr : contract::find_facets(contract->header(), name);
    for (const pb::Replica& replica : workload.replicas()) {
      auto node = NodeId::from_bytes(replica.node());
      if (!node.has_value() || facts_->is_here(*node)) continue;
      bool leads = facets == nullptr || !facets->has_set() ||
                   (workload.set().has_primary() && workload.set().primary().index() == replica.index());
      orders_.elsewhere[{id_, name, replica.index()}] = {.node = *node, .is_ready = is_ready(replica, facets), .leads = leads};
    }
  }

  // One connection between two nodes serves all contracts.
  void add_tunnels() {
    for (const pb::LocalTunnelPeer& peer : sites_.tunnels) {
      pb::LocalTunnelPeer& known = entry_of(*orders_.gateway.mutable_tunnels(), peer);
      known.mutable_targets()->Add(peer.targets().begin(), peer.targets().end());
    }
    for (const pb::LocalTunnelGateway& gateway : sites_.gateways) {
      pb::LocalTunnelGateway& known = entry_of(*orders_.tunnel.mutable_gateways(), gateway);
      *known.mutable_endpoints() = gateway.endpoints();
      known.mutable_ways()->Add(gateway.ways().begin(), gateway.ways().end());
    }
  }

  // That of the same node, made when there is none.
  template <typename Entry>
  static Entry& entry_of(google::protobuf::RepeatedPtrField<Entry>& all, const Entry& like) {
    for (Entry& one : all) {
      if (one.node() == like.node()) return one;
    }
    Entry& added = *all.Add();
    added.set_node(like.node());
    return added;
  }

  const LedgerView& ledger_;
  const pb::AssignedContract& assigned_;
  const ContractId id_;
  Orders& orders_;
  std::optional<ContractFacts> facts_;
  SiteOrders sites_;
};

bool is_encrypted(const pb::LocalNetworks& networks) {
  return std::any_of(networks.networks().begin(), networks.networks().end(), [](const pb::LocalNetwork& network) {
    return network.encryption() == pb::ENCRYPTION_WIREGUARD || network.encryption() == pb::ENCRYPTION_DEDICATED;
  });
}

void add_mesh(const LedgerView& view, Orders& orders) {
  bool is_needed = std::any_of(orders.networks.begin(), orders.networks.end(),
                               [](const auto& entry) { return is_encrypted(entry.second); });
  if (!is_needed && view.guests.empty()) return;
  *orders.mesh.mutable_self() = relevant_node(view.node, {});
  *orders.mesh.mutable_self()->mutable_mesh_keys() = view.node.mesh_keys();  // of all its networks
  for (const Bytes& relay : view.relays.nodes()) {
    auto id = NodeId::from_bytes(relay);
    auto node = id.has_value() ? view.nodes.find(*id) : view.nodes.end();
    if (node != view.nodes.end()) *orders.mesh.add_relays() = relevant_node(node->second, {0});
    if (id.has_value() && *id == view.node_id) *orders.mesh.add_relays() = relevant_node(view.node, {0});
  }
  for (const NodeId& guest : view.guests) {
    auto node = view.nodes.find(guest);
    if (node != view.nodes.end()) *orders.mesh.add_guests() = relevant_node(node->second, {0});
  }
}

// What is the same for all sites.
void finish_gateway(const LedgerView& view, Orders& orders) {
  if (orders.gateway.sites().empty()) {
    orders.gateway.Clear();
    return;
  }
  const pb::GatewayOffer& offer = view.node.addresses().gateway();
  orders.gateway.set_domain(offer.domain());
  orders.gateway.set_address(view.node.addresses().uplink());
  orders.gateway.set_http_port(offer.http_port());
  orders.gateway.set_https_port(offer.https_port());
  orders.gateway.set_tunnel_port(offer.tunnel_port());
  orders.gateway.set_chain_id(view.chain_id);
  std::sort(orders.gateway.mutable_sites()->begin(), orders.gateway.mutable_sites()->end(), [](const auto& a, const auto& b) {
    return std::tie(a.contract(), a.workload()) < std::tie(b.contract(), b.workload());
  });
  std::sort(orders.gateway.mutable_tunnels()->begin(), orders.gateway.mutable_tunnels()->end(),
            [](const auto& a, const auto& b) { return a.node() < b.node(); });
}

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
  add_mesh(view, orders);
  finish_gateway(view, orders);
  std::sort(orders.tunnel.mutable_gateways()->begin(), orders.tunnel.mutable_gateways()->end(),
            [](const auto& a, const auto& b) { return a.node() < b.node(); });
  return orders;
}

std::string ContainerTask::container_id() const { return node::container_id(replica); }

}  // namespace mcloud::node
