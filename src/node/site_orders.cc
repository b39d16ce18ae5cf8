#include "node/site_orders.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "contract/header.h"
#include "contract/secrets.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr uint32_t kWayPortFirst = 10'000;
constexpr uint32_t kWayPorts = 20'000;  // below the kernel's own choice of ports

// A back end's replica as a publication reaches it.
struct Target {
  std::string workload;
  uint32_t index = 0;
  uint32_t port = 0;
  uint32_t weight = 1;
  std::string space;
  std::string address;
  NodeId node;
  bool is_by_tunnel = false;
};

// Ports of transit addresses. The port of a target hardly ever changes: it follows from its address, and moves on only
// where another has it already.
class WayPorts {
 public:
  uint32_t take(const std::string& transit, std::string_view address, uint32_t port) {
    uint32_t hash = 2'166'136'261u;
    for (char c : std::string(address) + ":" + std::to_string(port)) hash = (hash ^ static_cast<uint8_t>(c)) * 16'777'619u;
    std::set<uint32_t>& taken = taken_[transit];
    uint32_t at = hash % kWayPorts;
    while (taken.size() < kWayPorts && !taken.insert(at).second) at = (at + 1) % kWayPorts;
    return kWayPortFirst + at;
  }

 private:
  std::map<std::string, std::set<uint32_t>> taken_;
};

class SiteMaker {
 public:
  explicit SiteMaker(const ContractFacts& facts) : facts_(facts) {}

  SiteOrders make() {
    if (facts_.newest() == nullptr) return {};
    for (const pb::WorkloadBody& body : facts_.newest()->body().workloads()) {
      if (!body.has_publish() || !body.publish().has_site()) continue;
      for (const pb::Route& route : body.publish().site().routes()) {
        for (const pb::Backend& backend : route.backends()) orders_.targets.insert(backend.target());
      }
      bring_targets(body.name(), body.publish().site());
    }
    for (const pb::AssignedReplica& replica : facts_.assigned.replicas()) {
      const pb::WorkloadBody* body = facts_.body_of(replica);
      if (body == nullptr || !body->has_publish() || !body->publish().has_site()) continue;
      Status served = serve(replica, body->publish().site());
      if (!served.has_value()) orders_.refused.insert_or_assign(facts_.key_of(replica), served.error());
    }
    for (auto& [node, peer] : peers_) orders_.tunnels.push_back(std::move(peer));
    for (auto& [node, gateway] : gateways_) orders_.gateways.push_back(std::move(gateway));
    return std::move(orders_);
  }

 private:
  // The network in which a publication meets a target: the first that both stand in.
  std::string space_of(const std::string& site, const std::string& target) const {
    const pb::ContractHeader& header = facts_.newest()->header();
    const pb::Facets* one = contract::find_facets(header, site);
    const pb::Facets* other = contract::find_facets(header, target);
    if (one == nullptr || other == nullptr) return "";
    for (const std::string& space : other->spaces()) {
      if (std::find(one->spaces().begin(), one->spaces().end(), space) != one->spaces().end()) return space;
    }
    return "";
  }

  // UDP goes by tunnel when that is asked for: else the mesh has its ways to hidden nodes.
  bool is_by_tunnel(const pb::Site& site, const NodeId& node) const {
    if (site.mode() == pb::SITE_UDP) return site.exposure() == pb::EXPOSURE_TUNNEL;
    const pb::Node* record = facts_.node_of(node);
    return site.exposure() == pb::EXPOSURE_TUNNEL || (record != nullptr && record->addresses().hidden());
  }

  // All replicas of all back ends, each once; sorted.
  std::vector<Target> targets_of(const std::string& name, const pb::Site& site) const {
    std::map<std::tuple<std::string, uint32_t, uint32_t>, Target> targets;
    for (const pb::Route& route : site.routes()) {
      for (const pb::Backend& backend : route.backends()) {
        std::string space = space_of(name, backend.target());
        for (const pb::Replica* replica : facts_.placed(backend.target())) {
          const std::string* lease = facts_.lease_of(space, backend.target(), replica->index());
          auto node = NodeId::from_bytes(replica->node());
          if (lease == nullptr || !node.has_value()) continue;
          targets[{backend.target(), replica->index(), backend.port()}] = {
              .workload = backend.target(), .index = replica->index(), .port = backend.port(),
              .weight = backend.weight(), .space = space,
              .address = *lease, .node = *node, .is_by_tunnel = is_by_tunnel(site, *node)};
        }
      }
    }
    std::vector<Target> sorted;
    for (auto& [key, target] : targets) sorted.push_back(std::move(target));
    return sorted;
  }

  pb::LocalTunnelTarget tunnel_target(const Target& target, const pb::Site& site) const {
    pb::LocalTunnelTarget made;
    made.set_contract(facts_.id.bytes());
    made.set_workload(target.workload);
    made.set_index(target.index);
    made.set_port(target.port);
    made.set_udp(site.mode() == pb::SITE_UDP);
    return made;
  }

  static std::string_view protocol_of(const pb::Site& site) { return site.mode() == pb::SITE_UDP ? "udp" : "tcp"; }

  uint32_t add_way(const Target& target, const pb::Site& site, const std::string& portal) {
    std::string transit = portal.empty() ? target.space : portal;
    auto key = std::tuple(transit, target.address, target.port, std::string(protocol_of(site)));
    if (auto known = way_ports_.find(key); known != way_ports_.end()) return known->second;
    uint32_t port = ports_.take(transit, target.address, target.port);
    pb::LocalWay way;
    way.set_protocol(std::string(protocol_of(site)));
    way.set_port(port);
    way.set_address(target.address);
    way.set_target_port(target.port);
    way.set_portal(portal);
    orders_.ways[target.space].push_back(std::move(way));
    return way_ports_[key] = port;
  }

  // ---- at home with a target: its way out -------------------------------------------------------

  void bring_targets(const std::string& name, const pb::Site& site) {
    for (const Target& target : targets_of(name, site)) {
      if (!target.is_by_tunnel || !facts_.is_here(target.node)) continue;
      const pb::SpaceGrant* grant = facts_.grant_of(target.space);
      uint32_t port = add_way(target, site, "");
      for (const pb::Replica* gateway : facts_.placed(name)) {
        auto node = NodeId::from_bytes(gateway->node());
        const pb::Node* record = node.has_value() ? facts_.node_of(*node) : nullptr;
        if (record == nullptr || !record->addresses().has_gateway()) continue;
        pb::LocalTunnelWay way;
        *way.mutable_target() = tunnel_target(target, site);
        way.set_address(transit_text({.vni = grant->vni(), .portal = ""}));
        way.set_port(port);
        add_gateway(*node, record->addresses(), std::move(way));
      }
    }
  }

  void add_gateway(const NodeId& node, const pb::NodeAddresses& addresses, pb::LocalTunnelWay way) {
    pb::LocalTunnelGateway& gateway = gateways_[node];
    if (gateway.node().empty()) {
      gateway.set_node(node.bytes());
      for (std::string& endpoint : tunnel_endpoints(addresses)) gateway.add_endpoints(std::move(endpoint));
    }
    // Two publications may share a target.
    for (const pb::LocalTunnelWay& known : gateway.ways()) {
      if (wire::encode(known.target()) == wire::encode(way.target())) return;
    }
    *gateway.add_ways() = std::move(way);
  }

  // ---- as a gateway ---------------------------------------------------------------------------

  Result<Bytes> open(const pb::AssignedReplica& replica, std::string_view field, const pb::Secret& secret) const {
    contract::SecretScope scope = contract::secret_scope(facts_.ledger.chain_id, facts_.version_of(replica)->header());
    contract::SecretPlace place{.workload = replica.workload(), .field = std::string(field)};
    return contract::open_secret(facts_.view.secret_key, scope, place, secret.box()).with_context(field);
  }

  Status open_keys(const pb::AssignedReplica& replica, const pb::Tls& tls, pb::LocalSite& local) const {
    if (tls.has_acme()) {
      local.set_acme_account_key(TRY(open(replica, contract::kAcmeAccountField, tls.acme().account_key())));
      local.set_tls_private_key(TRY(open(replica, contract::kTlsKeyField, tls.acme().private_key())));
    }
    if (tls.has_supplied())
      local.set_tls_private_key(TRY(open(replica, contract::kTlsKeyField, tls.supplied().private_key())));
    return {};
  }

  Status serve(const pb::AssignedReplica& replica, const pb::Site& site) {
    if (!facts_.ledger.node.addresses().has_gateway()) return make_error(Code::Unsupported, "this node is no gateway");
    bool is_kernels = site.mode() == pb::SITE_UDP && site.exposure() != pb::EXPOSURE_TUNNEL;
    if (is_kernels) TRY(publish(replica, site));
    pb::LocalSite local;
    local.set_contract(facts_.id.bytes());
    local.set_contract_name(facts_.version_of(replica)->header().name());
    local.set_owner(facts_.version_of(replica)->header().owner());
    local.set_workload(replica.workload());
    local.set_index(replica.index());
    *local.mutable_site() = site;
    TRY(open_keys(replica, site.tls(), local));
    if (!is_kernels) add_servers(replica, site, local);
    orders_.sites.push_back(std::move(local));
    return {};
  }

  std::string portal_of(const pb::AssignedReplica& replica, const std::string& space) const {
    const pb::Facets* facets = facts_.facets_of(replica);
    auto place = std::find(facets->spaces().begin(), facets->spaces().end(), space) - facets->spaces().begin();
    return portal_netns(facts_.key_of(replica), static_cast<size_t>(place));
  }

  void add_servers(const pb::AssignedReplica& replica, const pb::Site& site, pb::LocalSite& local) {
    for (const Target& target : targets_of(replica.workload(), site)) {
      pb::LocalServer& server = *local.add_servers();
      server.set_target(target.workload);
      server.set_index(target.index);
      server.set_port(target.port);
      if (target.is_by_tunnel) {
        expect(target, site);
        continue;
      }
      std::string portal = portal_of(replica, target.space);
      server.set_address(transit_text({.vni = facts_.grant_of(target.space)->vni(), .portal = portal}));
      server.set_way_port(add_way(target, site, portal));
    }
  }

  // What the kernel alone cannot do.
  static Status check_udp(const pb::Site& site) {
    if (site.routes_size() != 1) return make_error(Code::Invalid, "a UDP port has one route");
    if (site.routes(0).balance() != pb::BALANCE_ROUND_ROBIN)
      return make_error(Code::Unsupported, "UDP goes to its targets in turn: \"balance: source\" is for TCP, TLS and HTTP");
    return {};
  }

  // A port of the uplink leads to one portal, as which the targets see it.
  Status publish(const pb::AssignedReplica& replica, const pb::Site& site) {
    TRY(check_udp(site));
    std::set<std::string> spaces;
    for (const pb::Backend& backend : site.routes(0).backends()) spaces.insert(space_of(replica.workload(), backend.target()));
    if (spaces.size() != 1) return make_error(Code::Unsupported, "a UDP port at gateways leads into one network only");
    const std::string& space = *spaces.begin();
    const pb::SpaceGrant* grant = facts_.grant_of(space);
    if (grant == nullptr || facts_.lease_of(space, replica.workload(), replica.index()) == nullptr)
      return make_error(Code::Unavailable, "it has no address in network " + space + " yet");
    Publication made;
    made.publication.set_protocol("udp");
    made.publication.set_port(site.port());
    made.publication.set_vni(grant->vni());
    made.publication.set_portal(portal_of(replica, space));
    *made.publication.mutable_from() = site.allow();
    for (const Target& target : targets_of(replica.workload(), site)) {
      PublishedTarget& added = made.targets.emplace_back();
      added.workload = target.workload;
      added.index = target.index;
      added.weight = target.weight;
      added.local.set_address(target.address);
      added.local.set_port(target.port);
    }
    orders_.publications.push_back(std::move(made));
    return {};
  }

  void expect(const Target& target, const pb::Site& site) {
    pb::LocalTunnelPeer& peer = peers_[target.node];
    peer.set_node(target.node.bytes());
    pb::LocalTunnelTarget wanted = tunnel_target(target, site);
    for (const pb::LocalTunnelTarget& known : peer.targets()) {
      if (wire::encode(known) == wire::encode(wanted)) return;
    }
    *peer.add_targets() = std::move(wanted);
  }

  const ContractFacts& facts_;
  SiteOrders orders_;
  WayPorts ports_;
  std::map<std::tuple<std::string, std::string, uint32_t, std::string>, uint32_t> way_ports_;
  std::map<NodeId, pb::LocalTunnelPeer> peers_;
  std::map<NodeId, pb::LocalTunnelGateway> gateways_;
};

}  // namespace

std::string transit_text(const Transit& transit) {
  return std::to_string(transit.vni) + (transit.portal.empty() ? "" : "/" + transit.portal);
}

std::string portal_netns(const ReplicaKey& replica, size_t space) {
  return container_id(replica) + (space == 0 ? "" : "-" + std::to_string(space));
}

SiteOrders site_orders(const ContractFacts& facts) { return SiteMaker(facts).make(); }

Result<Bytes> open_access_key(const ContractFacts& facts, const pb::AssignedReplica& replica, const pb::Access& access) {
  contract::SecretScope scope = contract::secret_scope(facts.ledger.chain_id, facts.version_of(replica)->header());
  contract::SecretPlace place{.workload = replica.workload(), .field = std::string(contract::kAccessKeyField)};
  return contract::open_secret(facts.view.secret_key, scope, place, access.private_key().box());
}

std::vector<std::string> tunnel_endpoints(const pb::NodeAddresses& addresses) {
  std::vector<std::string> hosts(addresses.endpoints().begin(), addresses.endpoints().end());
  if (hosts.empty() && !addresses.uplink().empty()) hosts.push_back(addresses.uplink());
  for (std::string& host : hosts) {
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    host += ":" + std::to_string(addresses.gateway().tunnel_port());
  }
  return hosts;
}

}  // namespace mcloud::node
