// A contract "team" with networks, as the ledger and its body would show it, without a ledger.
#pragma once

#include <algorithm>
#include <string>

#include "bot/network_why.h"
#include "crypto/hash.h"

namespace mcloud::bot {

class TestTeam {
 public:
  TestTeam() {
    facts.chain_id = "test-1";
    facts.record.set_id(crypto::blake2b("team").bytes());
    facts.record.set_name("team");
    facts.record.mutable_current()->set_state(pb::CONTRACT_ACTIVE);
    add_network("office", "10.42.0.0/16");
    network("office").set_encryption(pb::ENCRYPTION_WIREGUARD);
  }

  // On a backplane of farm "home", with a key and the farm's secret.
  pb::Node& add_node(const std::string& name) {
    pb::Node& node = facts.nodes.emplace_back();
    node.set_key(crypto::blake2b(name).bytes());
    node.set_name(name);
    node.set_farm("home");
    node.set_state(pb::NODE_ONLINE);
    node.set_number(static_cast<uint32_t>(facts.nodes.size()));
    node.mutable_addresses()->set_backplane("10.251.0." + std::to_string(facts.nodes.size()));
    node.mutable_addresses()->set_uplink("10.250.0." + std::to_string(10 + facts.nodes.size()));
    node.set_mesh_secret_id(Bytes(32, 's'));
    for (uint32_t slot : {0u, 2u}) {
      pb::MeshKey& key = *node.add_mesh_keys();
      key.set_slot(slot);
      key.set_key(crypto::blake2b(name + std::to_string(slot)).bytes());
      key.set_port(51820 + slot);
    }
    return node;
  }
  pb::Node& node(const std::string& name) {
    for (pb::Node& one : facts.nodes) {
      if (one.name() == name) return one;
    }
    return facts.nodes.front();
  }
  // Takes it off the backplane, behind NAT.
  void hide(const std::string& name) {
    node(name).mutable_addresses()->clear_backplane();
    node(name).mutable_addresses()->set_hidden(true);
  }
  void make_relay(const std::string& name) {
    node(name).mutable_addresses()->set_relay(true);
    facts.relays.add_nodes(node(name).key());
  }

  void add_network(const std::string& name, const std::string& range) {
    pb::SpaceGrant& grant = *facts.record.add_spaces();
    grant.set_name(name);
    grant.set_range(range);
    grant.set_vni(4096 + static_cast<uint32_t>(facts.record.spaces_size()));
    facts.body.add_workloads()->set_name(name);
    facts.body.mutable_workloads(facts.body.workloads_size() - 1)->mutable_network()->set_range(range);
    facts.header.add_workloads()->set_name(name);
  }
  pb::NetworkBody& network(const std::string& name) { return *body(name).mutable_network(); }

  // Replica i on nodes[i], running, in `network`, with a declared port "sql" 5432.
  void add_container(const std::string& name, const std::string& network, const std::vector<std::string>& nodes) {
    pb::Facets& facets = *facts.header.add_workloads();
    facets.set_name(name);
    facets.set_kind("container");
    facets.add_spaces(network);
    place(name, nodes);
    pb::WorkloadBody& added = *facts.body.add_workloads();
    added.set_name(name);
    pb::Port& port = *added.mutable_container()->add_ports();
    port.set_name("sql");
    port.set_number(5432);
    port.set_protocol("tcp");
    sort();
  }
  // The replicas of a workload that is there.
  void place(const std::string& name, const std::vector<std::string>& nodes) {
    facets(name).set_replicas(static_cast<uint32_t>(nodes.size()));
    pb::Workload& workload = facts.workloads.emplace_back();
    workload.set_name(name);
    for (size_t i = 0; i < nodes.size(); ++i) {
      pb::Replica& replica = *workload.add_replicas();
      replica.set_index(static_cast<uint32_t>(i));
      replica.set_node(node(nodes[i]).key());
      replica.set_state(pb::REPLICA_RUNNING);
      for (pb::SpaceGrant& grant : *facts.record.mutable_spaces()) {
        const auto& spaces = facets(name).spaces();
        if (std::find(spaces.begin(), spaces.end(), grant.name()) == spaces.end()) continue;
        pb::SpaceLease& lease = *grant.add_leases();
        lease.set_workload(name);
        lease.set_index(static_cast<uint32_t>(i));
        lease.set_address(grant.range().substr(0, grant.range().find('/') - 1) + std::to_string(1 + grant.leases_size()));
      }
    }
  }
  pb::Replica& replica(const std::string& workload, int index) {
    for (pb::Workload& one : facts.workloads) {
      if (one.name() == workload) return *one.mutable_replicas(index);
    }
    return *facts.workloads.front().mutable_replicas(0);
  }
  // An access point on `node` for devices, of which "laptop" is one.
  void add_access(const std::string& network_name, const std::string& node_name) {
    network(network_name).mutable_access()->set_port(20'100);
    network(network_name).mutable_access()->set_public_key(Bytes(32, 'p'));
    facets(network_name).add_spaces(network_name);
    place(network_name, {node_name});
    pb::Device& device = *facts.record.mutable_spaces(0)->add_devices();
    device.set_name("laptop");
    device.set_address("10.42.0.9");
    device.set_owner(crypto::blake2b("lena").bytes());
    facts.people[device.owner()] = "lena";
  }
  void allow(const std::string& from, const std::string& to, const std::string& protocol = "", uint32_t port = 0) {
    network("office").set_restricted(true);
    pb::Allow& rule = *network("office").add_allow();
    rule.set_from(from);
    rule.set_to(to);
    rule.set_protocol(protocol);
    rule.set_port_first(port);
    rule.set_port_last(port);
  }
  pb::Facets& facets(const std::string& name) {
    for (pb::Facets& one : *facts.header.mutable_workloads()) {
      if (one.name() == name) return one;
    }
    return *facts.header.mutable_workloads(0);
  }
  pb::WorkloadBody& body(const std::string& name) {
    for (pb::WorkloadBody& one : *facts.body.mutable_workloads()) {
      if (one.name() == name) return one;
    }
    return *facts.body.mutable_workloads(0);
  }

  // As signed bytes are: by name. Moves what references point to.
  void sort() {
    auto by_name = [](const auto& a, const auto& b) { return a.name() < b.name(); };
    std::sort(facts.header.mutable_workloads()->begin(), facts.header.mutable_workloads()->end(), by_name);
    std::sort(facts.body.mutable_workloads()->begin(), facts.body.mutable_workloads()->end(), by_name);
  }

  NetworkFacts facts;
};

}  // namespace mcloud::bot
