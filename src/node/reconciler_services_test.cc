// Names, gateways and replicas that are a place in a network only.
#include <doctest/doctest.h>

#include "node/fake_machine_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kServed = R"(
name: shop
workloads:
  net: {kind: network, range: 10.42.0.0/16, access: true}
  web:
    kind: container
    image: oci:./image
    ports: {http: 80}
    replicas: 2
    health: {http: {port: http, path: /}, interval: 2s, timeout: 1s, retries: 3}
  site: {kind: publish, name: shop, to: "web:http", gateways: 1}
)";

Ledger gateway() {
  Ledger ledger;
  ledger.view.node.mutable_addresses()->set_uplink("10.250.0.1");
  pb::GatewayOffer& offer = *ledger.view.node.mutable_addresses()->mutable_gateway();
  offer.set_domain("gw.example");
  offer.set_tunnel_port(7443);
  return ledger;
}

void say(FakeMachine& machine, const Sample& sample, bool serves, const std::string& message) {
  machine.gateway_state.Clear();
  pb::SiteState& state = *machine.gateway_state.add_sites();
  state.set_contract(sample.id.bytes());
  state.set_workload("site");
  state.set_serves(serves);
  state.set_message(message);
}

pb::Replica& elsewhere(Ledger& ledger, const Sample& sample) {
  return *ledger.view.contracts[sample.id].workloads["web"].mutable_replicas(1);
}

}  // namespace

TEST_CASE("a replica is found by name as soon as it is healthy, and no more when it is not") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  machine.probe = make_error(Code::Unavailable, "not yet");
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(1'000);
  REQUIRE(machine.names.size() == 1);
  CHECK(machine.names[0].members.empty());
  machine.probe = {};
  bench.pass(3'000);
  CHECK(machine.names[0].members.size() == 2);
  machine.end(container_id({web.id, "web", 0}), 1, bench.now_ms);
  bench.pass(20);
  CHECK(machine.names[0].members.size() == 1);
}

TEST_CASE("a replica elsewhere is found while the ledger says it serves and its node answers") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  ledger.move_away(web.id, "web", 1);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(3'000);
  CHECK(machine.names[0].members.size() == 1);
  elsewhere(ledger, web).set_state(pb::REPLICA_RUNNING);  // it has a health check: that is not enough
  bench.orders(ledger);
  bench.pass(10);
  CHECK(machine.names[0].members.size() == 1);
  elsewhere(ledger, web).set_state(pb::REPLICA_HEALTHY);
  bench.orders(ledger);
  bench.pass(10);
  CHECK(machine.names[0].members.size() == 2);
  bench.reconciler.set_silent({kOtherNode.public_key()});
  bench.pass(10);
  CHECK(machine.names[0].members.size() == 1);
  bench.reconciler.set_silent({});
  bench.pass(10);
  CHECK(machine.names[0].members.size() == 2);
}

TEST_CASE("a gateway leads to those that serve, and its replica is as healthy as its process says") {
  FakeMachine machine;
  Ledger ledger = gateway();
  Sample shop = make(kServed);
  ledger.place(shop);
  ledger.move_away(shop.id, "web", 1);
  elsewhere(ledger, shop).set_state(pb::REPLICA_HEALTHY);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(3'000);
  REQUIRE(machine.gateway.sites_size() == 1);
  CHECK(machine.gateway.sites(0).servers(0).serves());
  CHECK(machine.gateway.sites(0).servers(1).serves());
  CHECK(bench.state("site") == pb::REPLICA_PREPARING);
  say(machine, shop, false, "certificate: the authority does not answer");
  bench.pass(1'000);
  CHECK(bench.state("site") == pb::REPLICA_UNHEALTHY);
  CHECK(bench.result("site")->message() == "certificate: the authority does not answer");
  say(machine, shop, true, "");
  bench.pass(1'000);
  CHECK(bench.state("site") == pb::REPLICA_HEALTHY);
  bench.reconciler.set_silent({kOtherNode.public_key()});
  bench.pass(10);
  CHECK(!machine.gateway.sites(0).servers(1).serves());
  ledger.forget(shop.id);
  bench.orders(ledger);
  bench.pass(20'000);
  CHECK(machine.gateway.sites().empty());
}

TEST_CASE("an access point is healthy when its place in the network is made") {
  FakeMachine machine;
  Ledger ledger = gateway();
  Sample shop = make(kServed);
  ledger.place(shop);
  machine.failures[JobKind::ChangeNetworks] = make_error(Code::Unavailable, "no link");
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(100);
  CHECK(bench.state("net") == pb::REPLICA_PREPARING);
  CHECK(bench.result("net")->message() == "network: no link");
  machine.failures.clear();
  bench.pass(10'000);
  CHECK(bench.state("net") == pb::REPLICA_HEALTHY);
  CHECK(machine.mesh.self().number() == 1);
}

TEST_CASE("an access point whose network cannot be made is given back") {
  FakeMachine machine;
  Ledger ledger = gateway();
  ledger.place(make(kServed));
  machine.failures[JobKind::ChangeNetworks] = make_error(Code::Unsupported, "this node has no WireGuard");
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(100);
  CHECK(bench.state("net") == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("net")->message() == "network: this node has no WireGuard");
}

TEST_CASE("names that could not be set are set again") {
  FakeMachine machine;
  Ledger ledger;
  ledger.place(make(kWeb));
  machine.failures[JobKind::SetNames] = make_error(Code::Unavailable, "unbound is not there");
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(3'000);
  CHECK(machine.names.empty());
  machine.failures.clear();
  bench.pass(35'000);
  REQUIRE(machine.names.size() == 1);
  CHECK(machine.names[0].members.size() == 2);
}

TEST_CASE("a container that gateways lead to is stopped only when they have had time to read that it leaves") {
  FakeMachine machine;
  Ledger ledger;
  Sample shop = make(kServed);
  ledger.place(shop);
  ledger.move_away(shop.id, "site", 0);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(3'000);
  REQUIRE(machine.containers.size() == 2);
  ledger.move_away(shop.id, "web", 1);
  bench.orders(ledger);
  bench.pass(1'000);
  CHECK(machine.containers.size() == 2);
  // Names do not wait.
  CHECK(machine.names.at(0).members.size() == 1);
  bench.pass(1'000);
  CHECK(machine.containers.size() == 1);
}
