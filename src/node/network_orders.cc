#include "node/network_orders.h"

#include <algorithm>

#include "base/log.h"
#include "contract/header.h"
#include "contract/secrets.h"
#include "node/mesh_facts.h"

namespace mcloud::node {
namespace {

bool is_encrypted(pb::Encryption encryption) {
  return encryption == pb::ENCRYPTION_WIREGUARD || encryption == pb::ENCRYPTION_DEDICATED;
}

// The address of each replica and device of one network, by the names that `allow` uses.
class Addressees {
 public:
  Addressees(const pb::SpaceGrant& grant, const std::vector<Leased>& leased) {
    for (const Leased& one : leased) add(one.workload, one.address);
    for (const pb::Device& device : grant.devices()) {
      add("device:" + device.name(), device.address());
      by_name_["devices"].push_back(device.address());
    }
  }
  // "any", a workload, "devices", "device:NAME"; nobody of that name: none.
  std::vector<std::string> of(const std::string& name) const {
    auto found = by_name_.find(name);
    return found == by_name_.end() ? std::vector<std::string>() : found->second;
  }

 private:
  void add(const std::string& name, const std::string& address) {
    by_name_[name].push_back(address);
    by_name_["any"].push_back(address);
  }
  std::map<std::string, std::vector<std::string>> by_name_;
};

class NetworkMaker {
 public:
  NetworkMaker(const ContractFacts& facts, const pb::SpaceGrant& grant, const SiteOrders& sites)
      : facts_(facts), grant_(grant), sites_(sites), leased_(facts.leased(grant)), body_(facts.network_of(grant.name())) {}

  // No members: the network is not needed here.
  pb::LocalNetwork make(std::map<NodeId, std::set<uint32_t>>& peers, std::map<NodeId, Reach>& reach) {
    network_.set_name(grant_.name());
    network_.set_vni(grant_.vni());
    network_.set_range(grant_.range());
    add_members();
    if (network_.members().empty()) return std::move(network_);
    if (body_ != nullptr) network_.set_encryption(body_->encryption());
    if (network_.encryption() != pb::ENCRYPTION_UNSET) network_.set_range6(network::ula_range(facts_.ledger.chain_id, grant_.vni()));
    if (body_ != nullptr) network_.set_bridge(body_->bridge());
    add_remotes(peers, reach);
    add_allowed();
    auto ways = sites_.ways.find(grant_.name());
    if (ways != sites_.ways.end()) network_.mutable_ways()->Add(ways->second.begin(), ways->second.end());
    return std::move(network_);
  }

 private:
  void add_members() {
    for (const pb::AssignedReplica& replica : facts_.assigned.replicas()) {
      const pb::Facets* facets = facts_.facets_of(replica);
      const pb::WorkloadBody* body = facts_.body_of(replica);
      const std::string* lease = facts_.lease_of(grant_.name(), replica.workload(), replica.index());
      if (facets == nullptr || body == nullptr || lease == nullptr) continue;
      auto space = std::find(facets->spaces().begin(), facets->spaces().end(), grant_.name()) - facets->spaces().begin();
      if (space == facets->spaces_size()) continue;
      ReplicaKey key = facts_.key_of(replica);
      pb::LocalMember& member = *network_.add_members();
      member.set_portal(body->has_network() || body->has_publish());
      member.set_netns(member.portal() ? portal_netns(key, static_cast<size_t>(space)) : container_id(key));
      member.set_interface("eth" + std::to_string(member.portal() ? 0 : space));
      member.set_address(*lease);
      if (body->has_network() && body->network().has_access()) add_access(replica, body->network().access());
    }
  }

  void add_access(const pb::AssignedReplica& replica, const pb::Access& access) {
    auto key = open_access_key(facts_, replica, access);
    if (!key.has_value()) {
      log::warning("node", "an access point stays closed",
                   {{"replica", describe(facts_.key_of(replica))}, {"reason", key.error().message}});
      return;
    }
    pb::LocalAccess& local = *network_.mutable_access();
    local.set_portal(portal_netns(facts_.key_of(replica), 0));
    local.set_port(access.port());
    local.set_private_key(*key);
    auto points = std::count_if(leased_.begin(), leased_.end(), [&](const Leased& one) { return one.workload == replica.workload(); });
    local.set_shared(points > 1);
    for (const pb::Device& device : grant_.devices()) {
      pb::LocalDevice& added = *local.add_devices();
      added.set_name(device.name());
      added.set_key(device.key());
      added.set_address(device.address());
    }
  }

  bool shares_backplane(const pb::Node& node) const {
    const pb::Node& self = facts_.ledger.node;
    return node.farm() == self.farm() && !node.addresses().backplane().empty() && !self.addresses().backplane().empty();
  }

  std::string target_of(const pb::Node& node) const {
    if (!is_encrypted(network_.encryption())) return node.addresses().backplane();
    uint32_t vni = network_.encryption() == pb::ENCRYPTION_DEDICATED ? grant_.vni() : 0;
    auto target = mesh_target(node, vni);
    return target ? target->text() : "";
  }

  // The mesh is asked before a network with ways of its own: it is there longer.
  void add_reach(const NodeId& node, const std::string& target, std::map<NodeId, Reach>& reach) const {
    auto address = network::Ipv4::parse(target);
    if (!address.has_value()) return;
    Reach one{.netns = "", .address = *address};
    if (network_.encryption() == pb::ENCRYPTION_DEDICATED) one.netns = "mcloud_net_" + std::to_string(grant_.vni());
    if (network_.encryption() == pb::ENCRYPTION_WIREGUARD) one.netns = network::kMeshNetns;
    auto [known, is_new] = reach.try_emplace(node, one);
    if (!is_new && one.netns == network::kMeshNetns) known->second = one;
  }

  void add_remotes(std::map<NodeId, std::set<uint32_t>>& peers, std::map<NodeId, Reach>& reach) {
    for (const Leased& one : leased_) {
      if (one.node.is_none() || facts_.is_here(one.node)) continue;
      const pb::Node* node = facts_.node_of(one.node);
      if (node == nullptr) continue;
      // A peer without a key is told of too: that the orders change when it has one.
      if (is_encrypted(network_.encryption()))
        peers[one.node].insert(network_.encryption() == pb::ENCRYPTION_DEDICATED ? grant_.vni() : 0);
      if (is_encrypted(network_.encryption()) && !shares_backplane(*node)) network_.set_spans_uplinks(true);
      std::string target = target_of(*node);
      if (target.empty()) continue;
      pb::LocalRemote& remote = *network_.add_remotes();
      remote.set_address(one.address);
      remote.set_node(target);
      add_reach(one.node, target, reach);
    }
  }

  void add_rule(const pb::Allow& allow, const Addressees& addressees) {
    pb::LocalAllow rule;
    for (const std::string& address : addressees.of(allow.from())) rule.add_from(address);
    for (const std::string& address : addressees.of(allow.to())) rule.add_to(address);
    rule.set_to_world(allow.to() == "world");
    if (rule.from().empty() || (rule.to().empty() && !rule.to_world())) return;
    rule.set_protocol(allow.protocol());
    rule.set_port_first(allow.port_first());
    rule.set_port_last(allow.port_last());
    *network_.add_allow() = std::move(rule);
  }

  void add_allowed() {
    if (body_ == nullptr || !body_->restricted()) return;
    network_.set_restricted(true);
    Addressees addressees(grant_, leased_);
    for (const pb::Allow& allow : body_->allow()) add_rule(allow, addressees);
  }

  const ContractFacts& facts_;
  const pb::SpaceGrant& grant_;
  const SiteOrders& sites_;
  const std::vector<Leased> leased_;
  const pb::NetworkBody* body_;
  pb::LocalNetwork network_;
};

// Ports of the uplink that lead to local replicas.
void add_publication(const ContractFacts& facts, const pb::PublishBody& body, std::vector<Publication>& publications) {
  const pb::Facets* target = contract::find_facets(facts.newest()->header(), body.target());
  if (target == nullptr || target->spaces().empty()) return;
  const pb::SpaceGrant* grant = facts.grant_of(target->spaces(0));
  if (grant == nullptr) return;
  Publication publication;
  publication.publication.set_protocol(body.protocol());
  publication.publication.set_port(body.port());
  publication.publication.set_vni(grant->vni());
  for (const pb::AssignedReplica& replica : facts.assigned.replicas()) {
    if (replica.workload() != body.target()) continue;
    const std::string* lease = facts.lease_of(grant->name(), replica.workload(), replica.index());
    if (lease == nullptr) continue;
    PublishedTarget& added = publication.targets.emplace_back();
    added.workload = body.target();
    added.index = replica.index();
    added.local.set_address(*lease);
    added.local.set_port(body.target_port());
  }
  std::sort(publication.targets.begin(), publication.targets.end(), [](auto& a, auto& b) { return a.index < b.index; });
  if (!publication.targets.empty()) publications.push_back(std::move(publication));
}

std::optional<NamesOrder> names_order(const ContractFacts& facts, const pb::SpaceGrant& grant) {
  const VerifiedContract* contract = facts.newest();
  const pb::NetworkBody* network = facts.network_of(grant.name());
  if (contract == nullptr) return std::nullopt;
  std::string range6;
  if (network != nullptr && network->encryption() != pb::ENCRYPTION_UNSET) range6 = network::ula_range(facts.ledger.chain_id, grant.vni());
  NamesOrder order{.contract = facts.id, .names = {.vni = grant.vni(), .client = {}, .contract = contract->header().name(), .members = {}}};
  for (const Leased& one : facts.leased(grant)) {
    auto address = network::Ipv4::parse(one.address);
    const pb::WorkloadBody* body = contract::find_body(contract->body(), one.workload);
    if (!address.has_value() || one.node.is_none() || body == nullptr) continue;
    if (!body->has_container() && !body->has_kv()) continue;  // a portal: nobody talks to it
    order.names.members.push_back({.workload = one.workload, .index = one.index, .address = *address,
                                   .address6 = network::address6_of(range6, *address),
                                   .ports = ports_of(*body)});
  }
  return order;
}

// Only what carries and what is reached there: the rest of a node's record changes with every placement.
void add_peers(const ContractFacts& facts, const std::map<NodeId, std::set<uint32_t>>& peers, pb::LocalNetworks& networks) {
  for (const auto& [id, vnis] : peers) {
    if (const pb::Node* node = facts.node_of(id)) *networks.add_peers() = relevant_node(*node, vnis);
  }
}

}  // namespace

NetworkOrders network_orders(const ContractFacts& facts, const SiteOrders& sites) {
  NetworkOrders orders;
  orders.networks.set_contract(facts.id.bytes());
  std::vector<const pb::SpaceGrant*> grants;
  for (const pb::SpaceGrant& grant : facts.view.record.spaces()) grants.push_back(&grant);
  std::sort(grants.begin(), grants.end(), [](auto* a, auto* b) { return a->vni() < b->vni(); });
  std::map<NodeId, std::set<uint32_t>> peers;
  for (const pb::SpaceGrant* grant : grants) {
    pb::LocalNetwork network = NetworkMaker(facts, *grant, sites).make(peers, orders.reach);
    if (network.members().empty()) continue;
    *orders.networks.add_networks() = std::move(network);
    if (auto names = names_order(facts, *grant)) orders.names.push_back(std::move(*names));
  }
  add_peers(facts, peers, orders.networks);
  orders.publications = sites.publications;
  if (facts.newest() == nullptr) return orders;
  for (const pb::WorkloadBody& workload : facts.newest()->body().workloads()) {
    if (workload.has_publish() && !workload.publish().has_site()) add_publication(facts, workload.publish(), orders.publications);
  }
  return orders;
}

std::vector<network::ServedMember::Port> ports_of(const pb::WorkloadBody& body) {
  std::vector<network::ServedMember::Port> ports;
  for (const pb::Port& port : body.container().ports()) {
    ports.push_back({port.name(), port.protocol(), static_cast<uint16_t>(port.number())});
  }
  if (body.has_kv()) ports.push_back({"kv", "tcp", static_cast<uint16_t>(body.kv().port())});
  return ports;
}

}  // namespace mcloud::node
