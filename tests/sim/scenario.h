// What one seed stands for: how large the cluster is and what goes wrong in it.
#pragma once

#include "sim/network.h"

namespace mcloud::sim {

struct Scenario {
  uint64_t seed = 0;
  int nodes = 5;
  int validators = 1;
  uint64_t fence_after_ms = 2000;
  uint64_t chaos_ms = 40'000;  // people work and things fail
  uint64_t quiet_ms = 40'000;  // then everything is repaired and must settle
  NetworkOptions network;
  // Between two of a kind pass twice this many ms at most, and once on average; 0 = never.
  uint64_t crash_every_ms = 0;        // a machine, for a while
  uint64_t agent_crash_every_ms = 0;  // only the agent, for a moment
  uint64_t cut_every_ms = 0;          // a node from ledger and validators
  uint64_t partition_every_ms = 0;    // a node from other nodes
  uint64_t deaf_every_ms = 0;    // a node from some validators only: it reads the ledger, they do not hear its heart
  uint64_t outage_every_ms = 0;  // the ledger and all validators
  uint64_t outage_ms_max = 20'000;
  uint64_t validator_every_ms = 0;  // one of several validators starts anew
  uint64_t refusal_every_ms = 0;    // a node cannot run anything new for a while
  uint64_t breakdown_every_ms = 0;  // something that runs is given up by its node
  uint64_t skew_permille = 0;       // nodes' clocks are off by up to this much
};

inline Scenario make_scenario(uint64_t seed) {
  testing::SimulatedRandom random(seed);
  Scenario scenario;
  scenario.seed = seed;
  scenario.nodes = static_cast<int>(3 + random.below(4));
  scenario.validators = random.chance(70) ? 1 : 4;
  auto sometimes = [&](uint64_t percent, uint64_t every_ms) { return random.chance(percent) ? every_ms : 0; };
  scenario.skew_permille = random.below(21);
  scenario.outage_every_ms = sometimes(50, 15'000);
  scenario.agent_crash_every_ms = sometimes(60, 3000);
  scenario.network.duplicate_percent = random.below(3) * 10;
  scenario.network.delay_ms_max = random.chance(50) ? 20 : 300;
  if (random.chance(4)) {  // the ledger is away a hundred times longer than a node may be
    scenario.outage_every_ms = 60'000;
    scenario.outage_ms_max = 100 * scenario.fence_after_ms;
    scenario.chaos_ms = 300'000;
  }
  scenario.breakdown_every_ms = sometimes(40, 5000);
  scenario.partition_every_ms = sometimes(50, 6000);
  scenario.validator_every_ms = scenario.validators > 1 ? sometimes(50, 4000) : 0;
  if (random.chance(20)) return scenario;  // no node is away or unheard: then none may be fenced at all
  scenario.network.loss_percent = sometimes(30, 5);
  scenario.crash_every_ms = sometimes(70, 6000);
  scenario.cut_every_ms = sometimes(60, 8000);
  scenario.deaf_every_ms = sometimes(30, 10'000);
  scenario.refusal_every_ms = sometimes(40, 6000);
  return scenario;
}

}  // namespace mcloud::sim
