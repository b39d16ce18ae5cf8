// An agent against a real ledger: joins, runs, is cut off, comes back.
#include "node/own_addresses.h"
#include "node/test_agent_world.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

TEST_CASE("an agent joins with its token, runs what is approved and tells the ledger") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample web = world.deploy(kWeb);
  CHECK(soon([&] {
    return world.state(web, "web", 0) == pb::REPLICA_HEALTHY && world.state(web, "web", 1) == pb::REPLICA_HEALTHY;
  }));
  CHECK(world.machine.running() == 2);
  Sample database = world.deploy(kDatabase, 2);
  CHECK(soon([&] {
    return world.state(database, "db") == pb::REPLICA_RUNNING && world.state(database, "data") == pb::REPLICA_RUNNING;
  }));
}

TEST_CASE("an agent tells the ledger its WireGuard keys, and again when they are others") {
  World world;
  std::atomic<int> generation = 1;
  world.keys = [&] {
    pb::PublishKeys keys;
    pb::MeshKey& key = *keys.add_keys();
    key.set_key(crypto::blake2b("key " + std::to_string(generation)).bytes());
    key.set_port(51'820);
    keys.set_mesh_secret_id(crypto::blake2b("secret").bytes());
    return keys;
  };
  auto has_key = [&](int number) {
    pb::Node node = world.node();
    return node.mesh_keys_size() == 1 && node.mesh_keys(0).key() == crypto::blake2b("key " + std::to_string(number)).bytes();
  };
  world.start_agent();
  world.start_heart();
  CHECK(soon([&] { return has_key(1); }));
  CHECK(world.node().number() != 0);
  CHECK(world.node().mesh_secret_id() == crypto::blake2b("secret").bytes());
  generation = 2;
  Sample app = world.deploy(kApp);  // something happens, so that it looks
  CHECK(soon([&] { return has_key(2); }));
}

TEST_CASE("an agent tells the ledger that its node has moved, though nothing happens there") {
  World world;
  world.keys = [] {
    pb::PublishKeys keys;
    keys.add_keys()->set_key(crypto::blake2b("key").bytes());
    keys.mutable_keys(0)->set_port(51'820);
    return keys;
  };
  std::atomic<int> number = 1;
  world.where = [&] {
    pb::NodeAddresses where;
    where.set_backplane("10.251.0." + std::to_string(number));
    where.set_relay(true);  // not what it joined as: it is not told
    return where;
  };
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().mesh_keys_size() == 1; }));
  CHECK(world.node().addresses().backplane() == "10.251.0.1");
  number = 7;
  CHECK(soon([&] { return world.node().addresses().backplane() == "10.251.0.7"; }));
  CHECK(!world.node().addresses().relay());
}

TEST_CASE("a node without WireGuard tells the ledger that it has moved, as one with it does") {
  std::atomic<int> number = 1;
  World world;
  world.where = [&] {
    pb::NodeAddresses where;
    where.set_backplane("10.251.0." + std::to_string(number));
    return where;
  };
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  number = 7;
  CHECK(soon([&] { return world.node().addresses().backplane() == "10.251.0.7"; }));
  CHECK(world.node().mesh_keys().empty());
}

TEST_CASE("an agent that starts after its backplane's address has changed tells the ledger the one it has") {
  testing::TemporaryFolder folder;
  std::atomic<int> number = 1;
  auto follow = [&] {
    pb::NodeAddresses configured;
    configured.set_backplane("10.251.0.1");
    auto read = [&] { return std::vector<network::LinkAddress>{{"lo", "10.251.0." + std::to_string(number)}}; };
    return std::make_unique<OwnAddresses>(configured, "eth0", read, folder / "addresses");
  };
  auto addresses = follow();
  World world;  // ends before what it looks at
  world.where = [&] { return addresses->look(); };
  world.keys = [] {
    pb::PublishKeys keys;
    keys.add_keys()->set_key(crypto::blake2b("key").bytes());
    keys.mutable_keys(0)->set_port(51'820);
    return keys;
  };
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().mesh_keys_size() == 1; }));
  world.stop_agent();
  number = 7;
  addresses = follow();
  world.keys = nullptr;  // and it has lost its WireGuard: what the ledger knows of it stays
  world.start_agent();
  CHECK(soon([&] { return world.node().addresses().backplane() == "10.251.0.7"; }));
  CHECK(world.node().mesh_keys_size() == 1);
}

TEST_CASE("an agent that ends and begins again starts nothing twice") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample web = world.deploy(kWeb);
  REQUIRE(soon([&] { return world.state(web, "web", 1) == pb::REPLICA_HEALTHY; }));
  world.stop_agent();
  CHECK(world.machine.running() == 2);
  world.start_agent();
  Sample app = world.deploy(kApp, 2);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  CHECK(world.machine.starts() == 3);
  CHECK(world.state(web, "web", 0) == pb::REPLICA_HEALTHY);
}

TEST_CASE("a container that ends is started again, and its restarts are counted on the ledger") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  world.machine.end(container_id({app.id, "app", 0}), 3);
  CHECK(soon(
      [&] { return world.replica(app, "app").restarts() == 1 && world.state(app, "app") == pb::REPLICA_RUNNING; }));
}

TEST_CASE("an image that hangs delays no other contract") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  world.machine.hang("app");
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.machine.is_hung(); }));
  Sample web = world.deploy(kWeb, 2);
  CHECK(soon([&] { return world.state(web, "web", 0) == pb::REPLICA_HEALTHY; }));
  CHECK(soon([&] { return world.state(app, "app") == pb::REPLICA_PREPARING; }));
  world.machine.hang("");
  CHECK(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
}

TEST_CASE("a cancelled contract's containers are stopped and its volumes erased as the owner said") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample database = world.deploy(kDatabase);
  REQUIRE(soon([&] { return world.state(database, "db") == pb::REPLICA_RUNNING; }));
  pb::Transaction cancel;
  cancel.mutable_cancel_contract()->set_contract(database.id.bytes());
  cancel.mutable_cancel_contract()->set_erase_volumes(true);
  world.send(kOwner, cancel);
  CHECK(soon([&] { return world.machine.running() == 0; }));
  auto client = world.server_.client();
  // The assignment forgets the contract when the node has said that nothing is left.
  CHECK(soon(
      [&] {
        auto snapshot = client->get({ledger::keys::assignment(kNode.public_key())});
        return snapshot.has_value() && snapshot->entries[0].value &&
               wire::decode<pb::Assignment>(*snapshot->entries[0].value, "assignment")->contracts().empty();
      },
      20'000));
}

TEST_CASE("a node without heartbeats is fenced, and rejoins and goes on when it beats again") {
  World world(1'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  uint64_t epoch = world.node().epoch();
  world.stop_heart();
  REQUIRE(soon([&] { return world.node().epoch() > epoch; }));
  world.start_heart();
  CHECK(soon([&] { return world.node().state() == pb::NODE_ONLINE && world.state(app, "app") == pb::REPLICA_RUNNING; },
             20'000));
  CHECK(world.machine.starts() == 1);
}

TEST_CASE("a ledger that is away for long moves and stops nothing, and a crash meanwhile is healed") {
  World world(1'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  world.server_.stop();
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));  // longer than fence_after
  world.machine.end(container_id({app.id, "app", 0}), 1);
  CHECK(soon([&] { return world.machine.starts() == 2; }));
  CHECK(world.machine.running() == 1);
}

TEST_CASE("an agent that starts while the ledger is away still looks after what runs") {
  World world(1'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  Sample web = world.deploy(kWeb, 2);
  REQUIRE(soon([&] {
    return world.state(app, "app") == pb::REPLICA_RUNNING && world.state(web, "web", 1) == pb::REPLICA_HEALTHY;
  }));
  world.stop_agent();
  world.server_.stop();
  std::this_thread::sleep_for(std::chrono::milliseconds(1'200));
  world.start_agent();
  world.machine.end(container_id({app.id, "app", 0}), 1);
  CHECK(soon([&] { return world.machine.starts() == 4; }));
  CHECK(world.machine.running() == 3);
}

TEST_CASE("a node that comes back starts nothing of what moved meanwhile, however slowly it learns of it") {
  World world(2'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(std::string(kApp) + "    on_isolation: stop\n");
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  world.cable.is_cut = true;
  // It stops itself before anybody else could be told to run it.
  REQUIRE(soon([&] { return world.machine.running() == 0; }));
  CHECK(world.node().state() == pb::NODE_ONLINE);
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_FENCED; }));
  pb::Transaction cancel;
  cancel.mutable_cancel_contract()->set_contract(app.id.bytes());
  world.send(kOwner, cancel);
  world.cable.slow_ms = 300;
  world.cable.is_cut = false;
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  world.cable.slow_ms = 0;
  Sample web = world.deploy(kWeb, 2);
  REQUIRE(soon([&] { return world.state(web, "web", 1) == pb::REPLICA_HEALTHY; }));
  CHECK(world.machine.starts() == 3);  // the app once, web twice
}
