// People's devices in networks, and what makes names inside networks change.
#include <doctest/doctest.h>

#include "ledger/state/test_books.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

Bytes key_bytes(const char* name) { return test_key(name).public_key().bytes(); }

// "web" x 2 in network "net" of ann, which bob may join.
pb::ContractHeader team(const TestChain& chain) {
  pb::Facets web = test_facets("web", 2);
  web.add_spaces("net");
  pb::ContractHeader header = chain.make_header("team", {web});
  pb::AddressSpace& space = *header.add_spaces();
  space.set_name("net");
  space.set_range("10.7.0.0/24");
  space.set_devices(true);
  space.add_members(key_bytes("bob"));
  return header;
}

pb::ContractHeader deploy_team(TestChain& chain) {
  chain.make_farm(3);
  pb::ContractHeader header = team(chain);
  chain.submit(header);
  chain.approve(header, "bob");
  return header;
}

}  // namespace

TEST_CASE("the owner and the members bring devices, each gets an address of the network") {
  TestChain chain;
  pb::ContractHeader header = deploy_team(chain);
  const uint64_t before = chain.contract(header).revision();
  CHECK(chain.join(header, "net", "laptop", "bob").ok);
  CHECK(chain.join(header, "net", "phone", "ann").ok);
  const pb::SpaceGrant grant = chain.contract(header).spaces(0);
  REQUIRE_EQ(grant.devices_size(), 2);
  CHECK_EQ(grant.devices(0).name(), "laptop");
  CHECK_EQ(grant.devices(0).owner(), key_bytes("bob"));
  CHECK_EQ(grant.devices(0).address(), "10.7.0.4");  // after two replicas
  CHECK_EQ(grant.devices(1).address(), "10.7.0.5");
  CHECK_GT(chain.contract(header).revision(), before);
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("a device is refused with its reason") {
  TestChain chain;
  pb::ContractHeader header = deploy_team(chain);
  CHECK(chain.join(header, "net", "laptop", "bob").ok);
  CHECK_EQ(chain.join(header, "net", "other", "cyd").code, Code::Denied);
  CHECK_EQ(chain.join(header, "net", "laptop", "ann").code, Code::AlreadyExists);
  CHECK_EQ(chain.join(header, "lan", "other", "bob").code, Code::NotFound);
  CHECK_EQ(chain.join(header, "net", "No name", "bob").code, Code::Invalid);
  auto join_with = [&](const Bytes& key) {
    return chain.run("bob", [&](pb::Transaction& transaction) {
      pb::JoinNetwork& action = *transaction.mutable_join_network();
      action.set_contract(contract::contract_id(header).bytes());
      action.set_space("net");
      action.set_name("second");
      action.set_key(key);
    });
  };
  CHECK_EQ(join_with(crypto::blake2b("laptop").bytes()).code, Code::AlreadyExists);
  CHECK_EQ(join_with(Bytes(32, '\0')).code, Code::Invalid);
  CHECK_EQ(join_with("short").code, Code::Invalid);
}

TEST_CASE("a network without access, a contract that is not active and one that nobody knows take no device") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = team(chain);
  CHECK_EQ(chain.join(header, "net", "laptop").code, Code::NotFound);
  chain.submit(header);
  CHECK_EQ(chain.join(header, "net", "laptop").code, Code::Conflict);
  chain.approve(header, "bob");
  CHECK(chain.join(header, "net", "laptop").ok);
  pb::ContractHeader closed = chain.upgrade(header, [](pb::ContractHeader& next) {
    next.mutable_spaces(0)->set_devices(false);
    next.mutable_spaces(0)->clear_members();
  });
  CHECK_EQ(chain.join(closed, "net", "phone").code, Code::Denied);
  CHECK_EQ(chain.contract(closed).spaces(0).devices_size(), 0);  // nor does it keep those that it had
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("a member takes away his own devices, the owner all") {
  TestChain chain;
  pb::ContractHeader header = deploy_team(chain);
  chain.join(header, "net", "anns", "ann");
  chain.join(header, "net", "bobs", "bob");
  chain.join(header, "net", "lost", "bob");
  CHECK_EQ(chain.leave(header, "net", "anns", "bob").code, Code::Denied);
  CHECK_EQ(chain.leave(header, "net", "bobs", "cyd").code, Code::Denied);
  CHECK_EQ(chain.leave(header, "net", "none", "bob").code, Code::NotFound);
  CHECK_EQ(chain.leave(header, "lan", "bobs", "bob").code, Code::NotFound);
  const uint64_t before = chain.contract(header).revision();
  CHECK(chain.leave(header, "net", "bobs", "bob").ok);
  CHECK(chain.leave(header, "net", "lost", "ann").ok);
  CHECK_GT(chain.contract(header).revision(), before);
  CHECK_EQ(chain.contract(header).spaces(0).devices_size(), 1);
  CHECK(chain.join(header, "net", "bobs", "bob").ok);  // name, key and address are free again
  CHECK_EQ(chain.contract(header).spaces(0).devices(1).address(), "10.7.0.5");
}

TEST_CASE("devices survive updates while the network stays, and lose their place with their membership") {
  TestChain chain;
  pb::ContractHeader header = deploy_team(chain);
  chain.join(header, "net", "anns", "ann");
  chain.join(header, "net", "bobs", "bob");
  header = chain.upgrade(header, [](pb::ContractHeader& next) { next.mutable_workloads(0)->set_replicas(4); });
  CHECK_EQ(chain.contract(header).spaces(0).devices_size(), 2);
  CHECK_EQ(chain.contract(header).spaces(0).devices(0).address(), "10.7.0.4");
  CHECK_EQ(chain.replica(header, "web", 2).addresses(0).address(), "10.7.0.6");
  header = chain.upgrade(header, [](pb::ContractHeader& next) { next.mutable_spaces(0)->clear_members(); });
  REQUIRE_EQ(chain.contract(header).spaces(0).devices_size(), 1);
  CHECK_EQ(chain.contract(header).spaces(0).devices(0).name(), "anns");
  chain.cancel(header);
  CHECK_EQ(chain.contract(header).spaces_size(), 0);
}

TEST_CASE("a network takes 1024 devices, and no more than its range has addresses") {
  TestChain chain;
  pb::ContractHeader small = deploy_team(chain);
  pb::ContractHeader large = team(chain);
  large.set_name("large");
  large.set_nonce(Bytes(16, 'l'));
  large.mutable_spaces(0)->set_range("10.8.0.0/16");
  chain.submit(large);
  chain.approve(large, "bob");
  auto fill = [&](const pb::ContractHeader& header, int count) {
    int taken = 0;
    for (int i = 0; i < count; ++i) taken += chain.join(header, "net", "d" + std::to_string(i)).ok ? 1 : 0;
    return taken;
  };
  CHECK_EQ(fill(small, 260), 251);  // 254 less the gateway and two replicas
  CHECK_EQ(chain.join(small, "net", "late").code, Code::Exhausted);
  CHECK_EQ(fill(large, 1030), 1024);
  CHECK_EQ(chain.join(large, "net", "late").code, Code::Exhausted);
}

TEST_CASE("a network with access points and a publication at gateways are placed like anything else") {
  TestChain chain;
  chain.make_farm(3);
  pb::Facets net = test_facets("net", 1);
  net.add_claims("udp/51900");
  net.add_spaces("net");
  pb::Facets site = test_facets("site", 2);
  site.mutable_placement()->set_spread(pb::SPREAD_REQUIRE);
  site.add_spaces("net");
  pb::ContractHeader header = chain.make_header("c", {net, site});
  header.add_spaces()->set_name("net");
  header.mutable_spaces(0)->set_range("10.7.0.0/24");
  CHECK(chain.submit(header).ok);
  CHECK(chain.approve(header, "bob").ok);
  CHECK_EQ(chain.replica(header, "net", 0).addresses(0).address(), "10.7.0.2");
  CHECK_NE(chain.place_of(header, "site", 0), chain.place_of(header, "site", 1));
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("a contract with networks gets a revision when a replica begins or ceases to serve, and only then") {
  TestChain chain;
  pb::ContractHeader header = deploy_team(chain);
  uint64_t last = chain.contract(header).revision();
  auto grows = [&] {
    const uint64_t now = chain.contract(header).revision();
    return std::exchange(last, now) < now;
  };
  auto report = [&](pb::ReplicaState state) {
    CHECK(chain.report(header, "web", 0, state).ok);
    return grows();
  };
  CHECK_FALSE(report(pb::REPLICA_PREPARING));
  CHECK(report(pb::REPLICA_RUNNING));
  CHECK_FALSE(report(pb::REPLICA_RUNNING));
  CHECK(report(pb::REPLICA_RESTARTING));
  CHECK_FALSE(report(pb::REPLICA_PREPARING));
  CHECK(report(pb::REPLICA_RUNNING));
  CHECK_EQ(chain.assignment(chain.place_of(header, "web", 1)).contracts(0).revision(), last);
}

TEST_CASE("with a health check only health serves") {
  TestChain chain;
  chain.make_farm(1);
  pb::ContractHeader header = team(chain);
  header.mutable_workloads(0)->set_has_health(true);
  chain.submit(header);
  chain.approve(header, "bob");
  uint64_t last = chain.contract(header).revision();
  auto report = [&](pb::ReplicaState state) {
    CHECK(chain.report(header, "web", 0, state).ok);
    const uint64_t now = chain.contract(header).revision();
    return std::exchange(last, now) < now;
  };
  CHECK_FALSE(report(pb::REPLICA_RUNNING));
  CHECK(report(pb::REPLICA_HEALTHY));
  CHECK(report(pb::REPLICA_UNHEALTHY));
  CHECK_FALSE(report(pb::REPLICA_RUNNING));
  CHECK(report(pb::REPLICA_HEALTHY));
}

TEST_CASE("without networks nobody reads again when a replica begins to serve") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("c", {test_facets("web", 2)});
  const uint64_t before = chain.contract(header).revision();
  CHECK(chain.report(header, "web", 0, pb::REPLICA_RUNNING).ok);
  CHECK(chain.suspect(chain.place_of(header, "web", 0)).ok);
  CHECK_EQ(chain.contract(header).revision(), before);
}

TEST_CASE("a fenced node's replicas are out of the names in the same block") {
  TestChain chain;
  pb::ContractHeader header = deploy_team(chain);
  chain.report(header, "web", 0, pb::REPLICA_RUNNING);
  const uint64_t before = chain.contract(header).revision();
  chain.suspect(chain.place_of(header, "web", 0));
  CHECK_GT(chain.contract(header).revision(), before);
  CHECK_EQ(chain.contract(header).revision(), chain.height());
}

TEST_CASE("under the first logic what serves is nobody's affair") {
  TestChain chain("test", {1}, 1);
  chain.make_farm(2);
  pb::ContractHeader header = team(chain);
  CHECK_EQ(chain.submit(header).code, Code::Invalid);  // devices are unknown
  header.mutable_spaces(0)->clear_devices();
  header.mutable_spaces(0)->clear_members();
  header.mutable_workloads(0)->add_names("shop");
  CHECK_EQ(chain.submit(header).code, Code::Invalid);
  header.mutable_workloads(0)->clear_names();
  CHECK(chain.submit(header).ok);
  chain.approve(header, "bob");
  const uint64_t before = chain.contract(header).revision();
  CHECK(chain.report(header, "web", 0, pb::REPLICA_RUNNING).ok);
  CHECK(chain.suspect(chain.place_of(header, "web", 0)).ok);
  CHECK_EQ(chain.contract(header).revision(), before);
}
