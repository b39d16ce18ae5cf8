#include "ledger/engine/liveness.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

NodeId node(char name) { return *NodeId::from_bytes(Bytes(32, name)); }

// A validator's loop on a simulated clock: ticks every 500 ms, nodes beat every second.
struct Simulation {
  uint64_t now_ms = 1'000'000;
  Liveness liveness{5'000, now_ms};
  std::map<NodeId, uint64_t> beating;  // node -> its counter
  std::vector<WatchedNode> suspected;

  void run(uint64_t duration_ms) {
    for (uint64_t end_ms = now_ms + duration_ms; now_ms < end_ms;) {
      now_ms += 500;
      for (auto& [id, counter] : beating) {
        if (now_ms % 1000 == 0) liveness.heartbeat(id, ++counter, now_ms);
      }
      for (const WatchedNode& silent : liveness.tick(now_ms)) suspected.push_back(silent);
    }
  }
};

}  // namespace

TEST_CASE("a node that beats is never suspected") {
  Simulation simulation;
  simulation.liveness.set_nodes({{node('a'), 1}, {node('b'), 1}}, simulation.now_ms);
  simulation.beating = {{node('a'), 0}, {node('b'), 0}};
  simulation.run(600'000);
  CHECK(simulation.suspected.empty());
}

TEST_CASE("a node that falls silent is suspected after fence_after, with its epoch") {
  Simulation simulation;
  simulation.liveness.set_nodes({{node('a'), 7}, {node('b'), 1}}, simulation.now_ms);
  simulation.beating = {{node('a'), 0}, {node('b'), 0}};
  simulation.run(10'000);
  simulation.beating.erase(node('a'));
  simulation.run(4'500);
  CHECK(simulation.suspected.empty());
  simulation.run(1'500);
  REQUIRE(simulation.suspected.size() == 1);
  CHECK(simulation.suspected[0] == WatchedNode{node('a'), 7});
}

TEST_CASE("a suspicion is repeated once per fence_after while the node stays online on the ledger") {
  Simulation simulation;
  simulation.liveness.set_nodes({{node('a'), 1}}, simulation.now_ms);
  simulation.run(11'500);
  CHECK(simulation.suspected.size() == 2);
  simulation.liveness.set_nodes({}, simulation.now_ms);
  simulation.run(60'000);
  CHECK(simulation.suspected.size() == 2);
}

TEST_CASE("an outage of the validator of any length suspects nobody") {
  for (uint64_t pause_ms : {2'600, 5'000, 60'000, 86'400'000}) {
    Simulation simulation;
    simulation.liveness.set_nodes({{node('a'), 1}}, simulation.now_ms);
    simulation.beating = {{node('a'), 0}};
    simulation.run(10'000);
    simulation.now_ms += pause_ms;
    simulation.run(4'500);
    CHECK(simulation.suspected.empty());
    // And a node that died in the meantime is found a whole fence_after later.
    simulation.beating.clear();
    simulation.run(6'500);
    CHECK(simulation.suspected.size() == 1);
  }
}

TEST_CASE("a node that died during the validator's pause is given a whole fence_after") {
  Simulation simulation;
  simulation.liveness.set_nodes({{node('a'), 1}}, simulation.now_ms);
  simulation.now_ms += 100'000;
  simulation.run(5'000);
  CHECK(simulation.suspected.empty());
  simulation.run(1'000);
  CHECK(simulation.suspected.size() == 1);
}

TEST_CASE("replayed heartbeats keep nobody alive, not even over a fencing") {
  Liveness liveness(5'000, 0);
  liveness.set_nodes({{node('a'), 1}}, 0);
  CHECK(liveness.heartbeat(node('a'), 10, 100));
  CHECK_FALSE(liveness.heartbeat(node('a'), 10, 200));
  CHECK_FALSE(liveness.heartbeat(node('a'), 9, 300));
  liveness.set_nodes({}, 400);
  CHECK_FALSE(liveness.heartbeat(node('a'), 11, 500));
  liveness.set_nodes({{node('a'), 3}}, 600);
  CHECK_FALSE(liveness.heartbeat(node('a'), 10, 700));
  CHECK(liveness.heartbeat(node('a'), 11, 800));
}

TEST_CASE("strangers are ignored") {
  Liveness liveness(5'000, 0);
  CHECK_FALSE(liveness.heartbeat(node('x'), 1, 1));
  CHECK(liveness.watched() == 0);
}

TEST_CASE("a node that rejoins with a new epoch starts its timer afresh") {
  Simulation simulation;
  simulation.liveness.set_nodes({{node('a'), 1}}, simulation.now_ms);
  simulation.run(4'500);
  simulation.liveness.set_nodes({{node('a'), 3}}, simulation.now_ms);
  simulation.run(4'500);
  CHECK(simulation.suspected.empty());
  simulation.run(1'500);
  REQUIRE(simulation.suspected.size() == 1);
  CHECK(simulation.suspected[0].epoch == 3);
}
