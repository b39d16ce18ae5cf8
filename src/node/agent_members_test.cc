// An agent with a member of a replica set, against a real ledger.
#include "node/test_agent_world.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kNotes = R"(
name: notes
workloads:
  notes: {kind: kv, size: 1MiB}
)";

}  // namespace

TEST_CASE("a kv that is placed is made to lead by the record that the ledger forms, and is healthy") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample notes = world.deploy(kNotes);
  REQUIRE(soon([&] { return !world.machine.told().empty(); }));
  CHECK(describe(world.machine.told()[0]) == "GROUP LEAD 1 0.1 1 1 0.1 0.1");
  CHECK(soon([&] { return world.state(notes, "notes") == pb::REPLICA_HEALTHY; }));
  CHECK(world.set(notes, "notes").primary().epoch() == 1);
}

TEST_CASE("a settled member is no news: the ledger is not told of it again and again") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample notes = world.deploy(kNotes);
  REQUIRE(soon([&] { return world.state(notes, "notes") == pb::REPLICA_HEALTHY; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));  // what was waiting for its second has been told
  uint64_t before = world.height();
  std::this_thread::sleep_for(std::chrono::milliseconds(3'000));  // three questions later
  CHECK(world.height() == before);
  CHECK(world.machine.told().size() == 1);
}

TEST_CASE("an agent that was killed finds its member and tells it nothing new") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample notes = world.deploy(kNotes);
  REQUIRE(soon([&] { return world.state(notes, "notes") == pb::REPLICA_HEALTHY; }));
  REQUIRE(soon([&] { return world.machine.told().size() == 1; }));
  world.stop_agent();
  world.start_agent();
  REQUIRE(soon([&] { return world.machine.told().size() == 2; }));
  CHECK(world.machine.told()[0] == world.machine.told()[1]);
  CHECK(world.machine.starts() == 1);
}
