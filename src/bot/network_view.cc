#include "bot/network_view.h"

#include <algorithm>
#include <set>

#include "bot/nearest.h"
#include "contract/header.h"
#include "network/address.h"

namespace mcloud::bot {
namespace {

std::string address6(const std::string& range6, const std::string& address) {
  Result<network::Ipv4> parsed = network::Ipv4::parse(address);
  return parsed.has_value() ? network::address6_of(range6, *parsed) : "";
}

bool stands_in(const pb::Facets& facets, std::string_view network) {
  return std::ranges::find(facets.spaces(), network) != facets.spaces().end();
}

NetworkMember member_of(const NetworkFacts& facts, const pb::Facets& workload, const pb::Replica& replica) {
  NetworkMember member;
  member.workload = workload.name();
  member.index = replica.index();
  member.kind = workload.kind();
  member.state = replica.state();
  member.serves = serves(facts, workload, replica);
  member.state_text = state_text(facts, workload, replica);
  if (const pb::Node* node = find_node(facts, replica.node())) member.node = node->name();
  return member;
}

// Calls `act` for each replica of each workload in the network.
template <typename Act>
void each_replica(const NetworkFacts& facts, std::string_view network, Act act) {
  for (const pb::Facets& workload : facts.header.workloads()) {
    if (!stands_in(workload, network)) continue;
    for (uint32_t index = 0; index < workload.replicas(); ++index) {
      if (const pb::Replica* replica = find_replica(facts, workload.name(), index)) act(workload, *replica);
    }
  }
}

void add_members(const NetworkFacts& facts, const pb::SpaceGrant& grant, NetworkView& view) {
  each_replica(facts, view.name, [&](const pb::Facets& workload, const pb::Replica& replica) {
    NetworkMember member = member_of(facts, workload, replica);
    member.address = lease_of(grant, workload.name(), replica.index());
    member.address6 = address6(view.range6, member.address);
    view.members.push_back(std::move(member));
  });
  for (const pb::Device& device : grant.devices()) {
    auto person = facts.people.find(device.owner());
    view.devices.push_back({device.name(), device.address(), address6(view.range6, device.address()),
                            person == facts.people.end() ? to_hex(device.owner()).substr(0, 8) : person->second,
                            device.since_ms()});
  }
}

void add_access(const NetworkFacts& facts, const pb::NetworkBody& body, NetworkView& view) {
  view.takes_devices = body.has_access();
  if (!body.has_access()) return;
  for (const NetworkMember& member : view.members) {
    if (member.workload != view.name) continue;
    AccessPoint point{member.index, member.node, "", member.address, member.serves};
    const pb::Replica* replica = find_replica(facts, view.name, member.index);
    const pb::Node* node = replica == nullptr ? nullptr : find_node(facts, replica->node());
    if (node != nullptr && !node->addresses().hidden() && !public_address(*node).empty()) {
      point.endpoint = with_port(public_address(*node), body.access().port());
    }
    view.access.push_back(std::move(point));
  }
}

std::string port_text(const pb::Allow& rule) {
  if (rule.protocol().empty()) return "everything";
  std::string text = rule.protocol() + " " + std::to_string(rule.port_first());
  return rule.port_last() > rule.port_first() ? text + "-" + std::to_string(rule.port_last()) : text;
}

void add_reach(const pb::NetworkBody& body, NetworkView& view) {
  for (const pb::Allow& rule : body.allow()) view.rules.push_back(rule_text(rule));
  if (!view.is_restricted) return;
  std::vector<std::string> names;
  for (const NetworkMember& member : view.members) {
    bool is_new = member.workload != view.name && std::ranges::find(names, member.workload) == names.end();
    if (is_new) names.push_back(member.workload);
  }
  for (const NetworkDevice& device : view.devices) names.push_back("device:" + device.name);
  std::vector<std::string> targets = names;
  targets.push_back(kWorld);
  for (const std::string& from : names) {
    for (const std::string& to : targets) {
      if (from.starts_with("device:") && (from == to || to == kWorld)) continue;
      Reach reach{from, to, "", false};
      for (const pb::Allow& rule : body.allow()) {
        if (fits_rule(rule, from, to)) reach.what += (reach.what.empty() ? "" : ", ") + port_text(rule);
      }
      reach.is_allowed = !reach.what.empty();
      if (!reach.is_allowed) reach.what = "nothing";
      view.reach.push_back(std::move(reach));
    }
  }
}

void add_paths(const NetworkFacts& facts, NetworkView& view) {
  std::set<std::string> nodes;
  each_replica(facts, view.name, [&](const pb::Facets&, const pb::Replica& replica) {
    if (!replica.node().empty()) nodes.insert(replica.node());
  });
  std::vector<const pb::Node*> sorted;
  for (const std::string& key : nodes) {
    if (const pb::Node* node = find_node(facts, key)) sorted.push_back(node);
  }
  std::ranges::sort(sorted, {}, [](const pb::Node* node) { return std::pair(node->farm(), node->name()); });
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t j = i + 1; j < sorted.size(); ++j) {
      view.paths.push_back(path_between(facts, *sorted[i], *sorted[j], view.name));
    }
  }
}

std::string mode_name(pb::SiteMode mode) {
  switch (mode) {
    case pb::SITE_HTTP: return "http";
    case pb::SITE_TLS: return "tls";
    case pb::SITE_TCP: return "tcp";
    case pb::SITE_UDP: return "udp";
    default: return "unknown";
  }
}

void add_targets(const NetworkFacts& facts, const std::string& target, uint32_t port, bool only_tunnel,
                 PublicationView& view) {
  const pb::Facets* workload = contract::find_facets(facts.header, target);
  for (uint32_t index = 0; workload != nullptr && index < workload->replicas(); ++index) {
    const pb::Replica* replica = find_replica(facts, target, index);
    if (replica == nullptr) continue;
    NetworkMember member = member_of(facts, *workload, *replica);
    const pb::Node* node = find_node(facts, replica->node());
    bool is_hidden = node != nullptr && node->addresses().hidden();
    view.targets.push_back({member.name(), port, member.node, member.serves, only_tunnel || is_hidden});
  }
}

void add_site(const NetworkFacts& facts, const pb::Facets& workload, const pb::Site& site, PublicationView& view) {
  view.mode = mode_name(site.mode());
  view.port = site.port();
  view.ends_tls = site.mode() == pb::SITE_HTTP && site.has_tls();
  view.hosts.assign(site.domains().begin(), site.domains().end());
  for (uint32_t index = 0; index < workload.replicas(); ++index) {
    const pb::Replica* replica = find_replica(facts, workload.name(), index);
    if (replica == nullptr) continue;
    GatewayView gateway{"", "", serves(facts, workload, *replica), state_text(facts, workload, *replica)};
    if (const pb::Node* node = find_node(facts, replica->node())) {
      gateway.node = node->name();
      gateway.address = public_address(*node);
      for (const std::string& name : site.names()) {
        std::string host = name + "." + node->addresses().gateway().domain();
        if (std::ranges::find(view.hosts, host) == view.hosts.end()) view.hosts.push_back(host);
      }
    }
    view.gateways.push_back(std::move(gateway));
  }
  for (const pb::Route& route : site.routes()) {
    for (const pb::Backend& backend : route.backends()) {
      add_targets(facts, backend.target(), backend.port(), site.exposure() == pb::EXPOSURE_TUNNEL, view);
    }
  }
  if (site.mode() != pb::SITE_UDP || site.exposure() == pb::EXPOSURE_TUNNEL) return;
  for (TargetView& target : view.targets) target.is_by_tunnel = false;  // datagrams go through the mesh
}

// A port on the uplink of every node that runs the target.
void add_port(const NetworkFacts& facts, const pb::PublishBody& body, PublicationView& view) {
  view.mode = "port";
  view.port = body.port();
  add_targets(facts, body.target(), body.target_port(), false, view);
  for (TargetView& target : view.targets) {
    target.is_by_tunnel = false;
    auto node = std::ranges::find_if(facts.nodes, [&](const pb::Node& one) { return one.name() == target.node; });
    if (node == facts.nodes.end()) continue;
    view.gateways.push_back({target.node, public_address(*node), target.serves, target.replica});
  }
}

}  // namespace

std::vector<std::string> networks_of(const NetworkFacts& facts) {
  std::vector<std::string> names;
  for (const pb::SpaceGrant& grant : facts.record.spaces()) names.push_back(grant.name());
  return names;
}

Result<NetworkView> view_network(const NetworkFacts& facts, std::string_view name) {
  const pb::SpaceGrant* grant = find_grant(facts, name);
  const pb::NetworkBody* body = find_network(facts, name);
  if (grant == nullptr || body == nullptr) return make_error(Code::NotFound, not_found("network", name, networks_of(facts)));
  NetworkView view;
  view.name = grant->name();
  view.vni = grant->vni();
  view.range = grant->range();
  view.range6 = network::ula_range(facts.chain_id, grant->vni());
  view.encryption = carrier_of(facts, name);
  view.bridge = body->bridge();
  view.is_restricted = body->restricted();
  add_members(facts, *grant, view);
  add_access(facts, *body, view);
  add_reach(*body, view);
  add_paths(facts, view);
  return view;
}

std::vector<PublicationView> view_publications(const NetworkFacts& facts) {
  std::vector<PublicationView> views;
  for (const pb::WorkloadBody& body : facts.body.workloads()) {
    const pb::Facets* workload = contract::find_facets(facts.header, body.name());
    if (!body.has_publish() || workload == nullptr) continue;
    PublicationView view;
    view.workload = body.name();
    if (body.publish().has_site()) {
      add_site(facts, *workload, body.publish().site(), view);
    } else {
      add_port(facts, body.publish(), view);
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::string rule_text(const pb::Allow& rule) {
  std::string text = rule.from() + " -> " + rule.to();
  if (rule.protocol().empty()) return text;
  text += ":" + std::to_string(rule.port_first());
  if (rule.port_last() > rule.port_first()) text += "-" + std::to_string(rule.port_last());
  return text + "/" + rule.protocol();
}

std::string_view encryption_name(pb::Encryption encryption) {
  switch (encryption) {
    case pb::ENCRYPTION_WIREGUARD: return "wireguard";
    case pb::ENCRYPTION_DEDICATED: return "dedicated";
    case pb::ENCRYPTION_NONE: return "none";
    default: return "unknown";
  }
}

bool fits_rule(const pb::Allow& rule, const std::string& from, const std::string& to) {
  auto fits = [](const std::string& wanted, const std::string& name) {
    return wanted == name || (wanted == "any" && name != kWorld) || (wanted == "devices" && name.starts_with("device:"));
  };
  return fits(rule.from(), from) && fits(rule.to(), to);
}

}  // namespace mcloud::bot
