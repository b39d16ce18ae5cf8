// An agent against a real ledger: images, and a ledger that is busy.
#include "node/test_agent_world.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

TEST_CASE("images reach the disk when the machine has settled, also after a failure") {
  World world;
  world.machine.fail_durable(2);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  CHECK(soon([&] { return world.machine.are_images_durable(); }));
}

TEST_CASE("an image goes when nobody has used it for a while, and not before") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  Sample other = world.deploy(kPlainBody, 2);
  REQUIRE(soon([&] { return world.state(other, "app") == pb::REPLICA_RUNNING; }));
  CHECK(world.machine.images_there() == 1);  // both are of the same
  auto cancel = [&](const Sample& sample) {
    pb::Transaction transaction;
    transaction.mutable_cancel_contract()->set_contract(sample.id.bytes());
    world.send(kOwner, transaction);
  };
  cancel(app);
  REQUIRE(soon([&] { return world.machine.running() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // three times as long as an unused one stays
  CHECK(world.machine.images_there() == 1);
  cancel(other);
  CHECK(soon([&] { return world.machine.images_there() == 0; }));
}

TEST_CASE("a ledger that makes blocks faster than they can be read does not look like a cut") {
  World world(2'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(std::string(kApp) + "    on_isolation: stop\n");
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  // Each reading takes longer than several blocks, so that none is of the newest height when it is there.
  world.cable.slow_ms = 200;
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(3'000);
  int blocks = 0;
  for (; std::chrono::steady_clock::now() < end; ++blocks) {
    pb::Transaction farm;
    farm.mutable_create_farm()->set_name("farm-" + std::to_string(blocks));
    farm.mutable_create_farm()->set_country("BE");
    world.send(kOwner, farm);
  }
  CHECK(blocks > 100);
  CHECK(world.machine.starts() == 1);
  CHECK(world.machine.running() == 1);
}
