#include "node/network_orders.h"

#include <doctest/doctest.h>

#include "node/mesh_keeper.h"
#include "node/sample_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kTeam = R"(
name: team
workloads:
  net:
    kind: network
    range: 10.42.0.0/16
    access: {port: 21000}
    allow: ["web -> store", "devices -> web:http", "web -> world:443"]
  web: {kind: container, image: "oci:./image", ports: {http: 80}, replicas: 2}
  store: {kind: container, image: "oci:./image", ports: {sql: 5432, dns: 53/udp}}
)";

std::string network_text(std::string_view options) {
  return "name: a\nworkloads:\n  net: {kind: network, range: 10.42.0.0/16" + std::string(options) +
         "}\n  web: {kind: container, image: \"oci:./image\", replicas: 2}\n";
}

// Of the only network of a contract with one replica of "web" on the other node.
pb::LocalNetworks networks_of(Ledger& ledger, std::string_view options) {
  Sample sample = make(network_text(options));
  ledger.place(sample);
  ledger.move_away(sample.id, "web", 1);
  return ledger.orders().networks.at(sample.id);
}

void join(Ledger& ledger, const Sample& sample, const std::string& name, const std::string& address) {
  pb::Device& device = *ledger.view.contracts[sample.id].record.mutable_spaces(0)->add_devices();
  device.set_name(name);
  device.set_key(crypto::blake2b(name).bytes());
  device.set_address(address);
}

}  // namespace

TEST_CASE("a network that says nothing of encryption in its signed bytes stays on the backplane, without IPv6") {
  Ledger ledger;
  Sample sample = make(network_text(""));
  ledger.place(sample);
  ledger.move_away(sample.id, "web", 1);
  // As bodies were before there was a choice; what was verified is not changed by anybody but this test.
  auto contract = std::const_pointer_cast<VerifiedContract>(std::shared_ptr<const VerifiedContract>(
      ledger.view.contracts[sample.id].versions[1]));
  auto& body = const_cast<pb::ContractBody&>(contract->body());
  for (auto& workload : *body.mutable_workloads()) {
    if (workload.has_network()) workload.mutable_network()->clear_encryption();
  }
  Orders orders = ledger.orders();
  const pb::LocalNetworks& networks = orders.networks.at(sample.id);
  CHECK(networks.networks(0).encryption() == pb::ENCRYPTION_UNSET);
  CHECK(networks.networks(0).range6().empty());
  CHECK(networks.networks(0).remotes(0).node() == "10.251.0.2");
  CHECK(networks.peers().empty());
  CHECK(!orders.mesh.has_self());
  CHECK(orders.reach.at(kOtherNode.public_key()) == Reach{"", *network::Ipv4::parse("10.251.0.2")});
}

TEST_CASE("a network is encrypted by default: its peers are told with what the mesh needs of them, and no more") {
  Ledger ledger;
  ledger.view.nodes[kOtherNode.public_key()].mutable_used()->set_cpu_milli(7);
  pb::LocalNetworks networks = networks_of(ledger, "");
  CHECK(networks.networks(0).encryption() == pb::ENCRYPTION_WIREGUARD);
  CHECK(networks.networks(0).range6() == network::ula_range(kChain, 1001));
  CHECK(networks.networks(0).remotes(0).node() == "198.18.0.8");
  REQUIRE(networks.peers_size() == 1);
  CHECK(networks.peers(0).number() == 2);
  CHECK(networks.peers(0).mesh_keys_size() == 1);
  CHECK(!networks.peers(0).has_used());
  Orders orders = ledger.orders();
  CHECK(orders.mesh.self().number() == 1);
  CHECK(orders.reach.at(kOtherNode.public_key()) == Reach{network::kMeshNetns, *network::Ipv4::parse("198.18.0.8")});
}

TEST_CASE("a peer that changes its key is sent to at its newest address, and both its keys are known") {
  Ledger ledger;
  pb::MeshKey& newer = *ledger.view.nodes[kOtherNode.public_key()].add_mesh_keys();
  newer.set_slot(1);
  newer.set_key(crypto::blake2b("newer").bytes());
  newer.set_port(51'821);
  pb::LocalNetworks networks = networks_of(ledger, "");
  CHECK(networks.networks(0).remotes(0).node() == "198.18.0.9");
  CHECK(networks.peers(0).mesh_keys_size() == 2);
}

TEST_CASE("a network with a node behind an uplink sends packets that fit there, on every node") {
  auto at_home = [] {
    Ledger ledger;
    ledger.view.node.set_farm("home");
    ledger.view.node.mutable_addresses()->set_backplane("10.251.0.1");
    return ledger;
  };
  Ledger ledger = at_home();
  CHECK_FALSE(networks_of(ledger, "").networks(0).spans_uplinks());
  Ledger wide = at_home();
  wide.view.nodes[kOtherNode.public_key()].mutable_addresses()->clear_backplane();
  CHECK(networks_of(wide, "").networks(0).spans_uplinks());
  Ledger foreign = at_home();
  foreign.view.nodes[kOtherNode.public_key()].set_farm("barn");
  CHECK(networks_of(foreign, "").networks(0).spans_uplinks());
}

TEST_CASE("a peer without a key is no remote yet, but it is in the orders: they change when it has one") {
  Ledger ledger;
  ledger.view.nodes[kOtherNode.public_key()].clear_mesh_keys();
  pb::LocalNetworks before = networks_of(ledger, "");
  CHECK(before.networks(0).remotes().empty());
  CHECK(before.peers_size() == 1);
}

TEST_CASE("a network with devices of its own uses the keys that its peers have for it") {
  Ledger ledger;
  pb::Node& other = ledger.view.nodes[kOtherNode.public_key()];
  CHECK(networks_of(ledger, ", dedicated: true").networks(0).remotes().empty());
  pb::MeshKey& own = *other.add_mesh_keys();
  own.set_vni(1001);
  own.set_slot(1);
  own.set_key(crypto::blake2b("own").bytes());
  own.set_port(51'830);
  pb::LocalNetworks networks = networks_of(ledger, ", dedicated: true");
  CHECK(networks.networks(0).remotes(0).node() == "198.18.0.9");
  REQUIRE(networks.peers(0).mesh_keys_size() == 1);
  CHECK(networks.peers(0).mesh_keys(0).vni() == 1001);
}

TEST_CASE("what is allowed is told in addresses of members and devices; what nobody has is no rule") {
  Ledger ledger;
  Sample team = make(kTeam);
  ledger.place(team);
  pb::LocalNetwork before = ledger.orders().networks.at(team.id).networks(0);
  CHECK(before.restricted());
  REQUIRE(before.allow_size() == 2);  // nobody's device has joined
  CHECK(before.allow(1).to_world());
  CHECK(before.allow(1).from_size() == 2);
  CHECK(before.allow(1).port_last() == 443);
  CHECK(!before.allow(0).to_world());
  CHECK(before.allow(0).from_size() == 2);
  CHECK(before.allow(0).to_size() == 1);
  CHECK(before.allow(0).port_first() == 0);
  join(ledger, team, "laptop", "10.42.0.200");
  pb::LocalNetwork after = ledger.orders().networks.at(team.id).networks(0);
  REQUIRE(after.allow_size() == 3);
  CHECK(after.allow(1).from(0) == "10.42.0.200");
  CHECK(after.allow(1).protocol() == "tcp");
  CHECK(after.allow(1).port_first() == 80);
}

TEST_CASE("an access point is a portal with the contract's key and the devices that have joined") {
  Ledger ledger;
  Sample team = make(kTeam);
  ledger.place(team);
  join(ledger, team, "laptop", "10.42.0.200");
  Orders orders = ledger.orders();
  CHECK(orders.refusals.empty());
  REQUIRE(orders.portals.contains({team.id, "net", 0}));
  const pb::LocalNetwork& network = orders.networks.at(team.id).networks(0);
  REQUIRE(network.has_access());
  CHECK(network.access().port() == 21'000);
  CHECK(network.access().devices(0).name() == "laptop");
  auto secret = network::WireGuardKey::from_bytes(network.access().private_key());
  REQUIRE(secret.has_value());
  const pb::WorkloadBody* body = contract::find_body(team.compiled.body, "net");
  CHECK(secret->public_key().view() == BytesView(body->network().access().public_key()));
  CHECK(network.access().portal() == orders.portals.at({team.id, "net", 0}).netns.at(0));
}

TEST_CASE("names are those of processes with their ports; portals have none") {
  Ledger ledger;
  Sample team = make(kTeam);
  ledger.place(team);
  Orders orders = ledger.orders();
  REQUIRE(orders.names.size() == 1);
  CHECK(orders.names[0].names.contract == "team");
  const auto& members = orders.names[0].names.members;
  REQUIRE(members.size() == 3);
  for (const network::ServedMember& member : members) {
    CHECK(member.workload != "net");
    CHECK(member.address6 == network::address6_of(network::ula_range(kChain, 1001), member.address));
    CHECK(member.address6.starts_with("fd"));
    CHECK(member.ports.size() == (member.workload == "store" ? 2 : 1));
  }
}

TEST_CASE("a container asks the first network's gateway for names") {
  Ledger ledger;
  Sample team = make(kTeam);
  ledger.place(team);
  CHECK(ledger.orders().containers.at({team.id, "web", 0}).resolv_conf ==
        "nameserver 10.42.0.1\nsearch team.internal\noptions ndots:1 timeout:1 attempts:3\n");
}

TEST_CASE("what the mesh must have follows from all contracts together") {
  Ledger ledger;
  pb::LocalNetworks meshed = networks_of(ledger, "");
  MeshNeeds needs = MeshNeeds::of({{ContractId(), meshed}}, {});
  CHECK(needs.is_meshed);
  CHECK(needs.peers.at(0).size() == 1);
  CHECK(needs.dedicated().empty());
  CHECK(!MeshNeeds::of({}, {}).is_meshed);
  pb::LocalMesh relay;
  relay.mutable_self()->mutable_addresses()->set_relay(true);
  CHECK(!MeshNeeds::of({}, relay).is_meshed);
  relay.add_guests();
  CHECK(MeshNeeds::of({}, relay).is_meshed);
}
