#include "bot/status.h"

#include <doctest/doctest.h>

#include "bot/forecast.h"
#include "contract/header.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::bot;

namespace {

Bytes key(char letter) { return Bytes(32, letter); }

// Two replicas of "web" with a health check and the port tcp/80; "job" without a check.
pb::ContractHeader header() {
  pb::ContractHeader header;
  header.set_format(1);
  header.set_name("hello");
  header.set_owner(key('o'));
  header.set_nonce(Bytes(16, 'n'));
  header.set_version(2);
  header.set_body_hash(key('b'));
  header.set_expires_ms(77);
  header.mutable_approvals()->set_threshold(1);
  pb::Signer& signer = *header.mutable_approvals()->add_signers();
  signer.set_key(key('o'));
  signer.set_role("owner");
  signer.set_weight(1);
  for (const char* name : {"job", "web"}) {
    pb::Facets& facets = *header.add_workloads();
    facets.set_name(name);
    facets.set_kind("container");
    facets.set_replicas(name == std::string("web") ? 2 : 1);
    facets.mutable_demand()->set_cpu_milli(600);
    facets.mutable_demand()->set_memory_bytes(1 << 20);
    facets.mutable_demand()->set_disk_bytes(1 << 20);
    facets.mutable_demand()->set_pids(10);
    facets.mutable_placement()->set_spread(pb::SPREAD_PREFER);
    facets.set_on_node_loss(pb::NODE_LOSS_MOVE);
    facets.set_on_isolation(pb::ISOLATION_RUN);
    facets.set_on_mass_loss(pb::MASS_LOSS_HOLD);
    facets.mutable_update()->set_max_unavailable(1);
  }
  header.mutable_workloads(1)->set_has_health(true);
  header.mutable_workloads(1)->add_claims("tcp/80");
  return header;
}

struct World {
  pb::Contract contract;
  std::vector<pb::Workload> workloads;
  std::vector<pb::Node> nodes;

  World() {
    contract.set_name("hello");
    contract.set_owner(key('o'));
    contract.set_id(contract::contract_id(header()).bytes());
    contract.mutable_current()->set_version(2);
    contract.mutable_current()->set_header(wire::encode(header()));
    contract.mutable_current()->set_state(pb::CONTRACT_ACTIVE);
    for (char letter : {'1', '2'}) {
      pb::Node node;
      node.set_key(key(letter));
      node.set_name(std::string("n") + letter);
      node.set_state(pb::NODE_ONLINE);
      node.mutable_capacity()->set_cpu_milli(1000);
      node.mutable_capacity()->set_memory_bytes(1 << 30);
      node.mutable_capacity()->set_disk_bytes(1 << 30);
      node.mutable_capacity()->set_pids(1000);
      node.mutable_addresses()->set_uplink(std::string("10.0.0.") + letter);
      nodes.push_back(node);
    }
    for (const char* name : {"job", "web"}) {
      pb::Workload& workload = workloads.emplace_back();
      workload.set_name(name);
      for (uint32_t index = 0; index < (name == std::string("web") ? 2 : 1); index++) {
        pb::Replica& replica = *workload.add_replicas();
        replica.set_index(index);
        replica.set_node(key(index == 0 ? '1' : '2'));
        replica.set_epoch(1);
        replica.set_version(2);
        replica.set_state(name == std::string("web") ? pb::REPLICA_HEALTHY : pb::REPLICA_RUNNING);
      }
    }
  }
  pb::Replica& web(int index) { return *workloads[1].mutable_replicas(index); }
  ContractStatus status() const {
    Result<ContractStatus> made = summarize(contract, workloads, nodes);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    return *made;
  }
};

}  // namespace

TEST_CASE("a public name is at the gateways that its publication stands on") {
  World world;
  pb::ContractHeader named = header();
  named.mutable_workloads(1)->add_names("shop");
  world.contract.mutable_current()->set_header(wire::encode(named));
  CHECK(world.status().names.at(0).hosts.empty());
  pb::GatewayOffer& gateway = *world.nodes[1].mutable_addresses()->mutable_gateway();
  gateway.set_domain("gw.example");
  gateway.set_http_port(8080);
  world.web(1).set_state(pb::REPLICA_UNHEALTHY);
  ContractStatus status = world.status();
  REQUIRE_EQ(status.names.size(), 1u);
  CHECK_EQ(status.names[0].name, "shop");
  CHECK_EQ(status.names[0].workload, "web");
  REQUIRE_EQ(status.names[0].hosts.size(), 1u);
  CHECK_EQ(status.names[0].hosts[0].host, "shop.gw.example");
  CHECK_EQ(status.names[0].hosts[0].http_port, 8080u);
  CHECK_EQ(status.names[0].hosts[0].node_name, "n2");
  CHECK_FALSE(status.names[0].hosts[0].ready);
}

TEST_CASE("ready is healthy with a check and running without one, all of the current version") {
  World world;
  ContractStatus status = world.status();
  CHECK(status.condition == Condition::Ready);
  CHECK_EQ(status.ready, 3);
  CHECK_EQ(status.why, "");
  world.web(1).set_state(pb::REPLICA_RUNNING);
  CHECK(world.status().condition == Condition::Starting);
  world.web(1).set_state(pb::REPLICA_HEALTHY);
  world.web(1).set_version(1);
  CHECK_EQ(world.status().ready, 2);
}

TEST_CASE("what was ready and is not any more is degraded, and says which and why") {
  World world;
  world.web(0).set_state(pb::REPLICA_RESTARTING);
  world.web(0).set_restarts(3);
  world.web(0).set_message("exit code 1");
  ContractStatus status = world.status();
  CHECK(status.condition == Condition::Degraded);
  CHECK_EQ(status.why, "web-0 is restarting on n1: exit code 1");
}

TEST_CASE("the last word of a fenced node is not believed") {
  World world;
  world.nodes[1].set_state(pb::NODE_FENCED);
  ContractStatus status = world.status();
  CHECK_EQ(status.ready, 2);
  CHECK_NE(status.why.find("n2 is fenced"), std::string::npos);
}

TEST_CASE("what finds no place is stuck and says what lacks") {
  World world;
  world.web(1).clear_node();
  world.web(1).set_state(pb::REPLICA_WAITING);
  world.web(1).set_message("memory: needs 8GiB");
  ContractStatus status = world.status();
  CHECK(status.condition == Condition::Stuck);
  CHECK_EQ(status.why, "web-1 is waiting: memory: needs 8GiB");
}

TEST_CASE("a contract nobody has approved waits; a cancelled one has ended") {
  World world;
  *world.contract.mutable_proposed() = world.contract.current();
  world.contract.clear_current();
  world.contract.mutable_proposed()->set_state(pb::CONTRACT_PENDING);
  world.workloads.clear();
  ContractStatus status = world.status();
  CHECK(status.condition == Condition::Waiting);
  CHECK_EQ(status.why, "version 2 has 0 of 1 approvals");
  CHECK(status.has_proposal);
  world.contract.mutable_proposed()->set_state(pb::CONTRACT_CANCELLED);
  world.contract.set_cancelled_ms(5);
  CHECK(world.status().condition == Condition::Ended);
}

TEST_CASE("a publication lists the nodes that run its workload") {
  std::vector<PublishedPort> ports = World().status().published;
  REQUIRE_EQ(ports.size(), 1);
  CHECK_EQ(ports[0].workload, "web");
  CHECK_EQ(ports[0].port, 80);
  REQUIRE_EQ(ports[0].where.size(), 2);
  CHECK_EQ(ports[0].where[1].address, "10.0.0.2");
}

TEST_CASE("a forecast charges what it places, and says what the last replica lacks") {
  World world;
  ContractId id = contract::contract_id(header());
  std::vector<Forecast> places = forecast(id, header(), world.nodes, {}, {});
  REQUIRE_EQ(places.size(), 3);  // 600 m each on two nodes of 1000 m
  CHECK_FALSE(places[0].node.empty());
  CHECK_FALSE(places[1].node.empty());
  CHECK_NE(places[0].node, places[1].node);
  CHECK(places[2].node.empty());
  CHECK_NE(places[2].lacking.find("cpu"), std::string::npos);
  CHECK(forecast(id, header(), world.nodes, world.workloads, {})[2].stays);
}

TEST_CASE("secrets are sealed for every node that may ever run one of the workloads") {
  World world;
  pb::ContractHeader limited = header();
  world.nodes[0].set_farm("barn");
  world.nodes[1].set_farm("shed");
  world.nodes[1].set_state(pb::NODE_FENCED);
  CHECK_EQ(eligible_nodes(limited, world.nodes).size(), 2);
  for (pb::Facets& facets : *limited.mutable_workloads()) facets.mutable_placement()->add_farms("barn");
  REQUIRE_EQ(eligible_nodes(limited, world.nodes).size(), 1);
  CHECK_EQ(eligible_nodes(limited, world.nodes)[0].bytes(), key('1'));
  limited.mutable_workloads(1)->mutable_placement()->clear_farms();
  CHECK_EQ(eligible_nodes(limited, world.nodes).size(), 2);
}

TEST_CASE("of a replica set one is the primary, and while none is, that is what is wrong") {
  World world;
  pb::SetRecord& set = *world.workloads[1].mutable_set();
  for (uint32_t index : {0, 1}) {
    pb::SetMember& voter = *set.add_voters();
    voter.set_index(index);
    voter.set_epoch(1);
  }
  *set.mutable_primary() = set.voters(1);
  ContractStatus status = world.status();
  CHECK(status.condition == Condition::Ready);
  CHECK_EQ(status.replicas[0].role, "");
  CHECK_EQ(status.replicas[1].role, "voter");
  CHECK_EQ(status.replicas[2].role, "primary");
  REQUIRE_EQ(status.sets.size(), 1u);
  CHECK_EQ(status.sets[0].primary, "web-1");
  CHECK_EQ(status.sets[0].voters, std::vector<std::string>{"web-0", "web-1"});
  for (const PublishedPort& port : status.published) {
    for (const auto& where : port.where) CHECK_EQ(where.ready, where.node_name == "n2");
  }
  world.web(0).set_epoch(2);  // another life of it: its copy does not count yet
  CHECK_EQ(world.status().replicas[1].role, "copy");
  set.clear_primary();
  set.set_message("waits for web/0 on node n1");
  status = world.status();
  CHECK(status.condition == Condition::Degraded);
  CHECK_EQ(status.why, "web elects its primary: waits for web/0 on node n1");
}
