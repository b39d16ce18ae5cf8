// What a run went through, to be printed: a fault that never happens tests nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace mcloud::sim {

struct RunFigures {
  uint64_t blocks = 0;
  uint64_t starts = 0;
  uint64_t moves = 0;
  uint64_t fencings = 0;
  uint64_t elections = 0;     // of replica sets
  uint64_t leaders = 0;       // members that began to lead
  uint64_t acknowledged = 0;  // writes to sets
  // Faults.
  uint64_t crashes = 0;  // of machines
  uint64_t agent_crashes = 0;
  uint64_t cuts = 0;                // from the ledger and all validators
  uint64_t partitions = 0;          // of nodes from each other
  uint64_t deaf = 0;                // from some or all validators only
  uint64_t validator_restarts = 0;  // of one of several
  uint64_t outages = 0;
  uint64_t outage_ms_max = 0;
  uint64_t refusals = 0;    // times a node could run nothing new
  uint64_t breakdowns = 0;  // of something that ran
  // Messages.
  uint64_t sent = 0;
  uint64_t lost = 0;
  uint64_t severed = 0;  // by a cut
  uint64_t doubled = 0;
  uint64_t overtaken = 0;  // arrived after one that was sent later

  struct Entry {
    const char* name;
    uint64_t RunFigures::* count;
  };
  static constexpr std::array<Entry, 22> kEntries = {{{"blocks", &RunFigures::blocks},
                                                      {"starts", &RunFigures::starts},
                                                      {"moves", &RunFigures::moves},
                                                      {"fencings", &RunFigures::fencings},
                                                      {"elections", &RunFigures::elections},
                                                      {"leaders", &RunFigures::leaders},
                                                      {"writes", &RunFigures::acknowledged},
                                                      {"crashes", &RunFigures::crashes},
                                                      {"agent crashes", &RunFigures::agent_crashes},
                                                      {"cuts", &RunFigures::cuts},
                                                      {"partitions", &RunFigures::partitions},
                                                      {"deaf", &RunFigures::deaf},
                                                      {"validator restarts", &RunFigures::validator_restarts},
                                                      {"outages", &RunFigures::outages},
                                                      {"longest outage ms", &RunFigures::outage_ms_max},
                                                      {"refusals", &RunFigures::refusals},
                                                      {"breakdowns", &RunFigures::breakdowns},
                                                      {"messages", &RunFigures::sent},
                                                      {"lost", &RunFigures::lost},
                                                      {"severed", &RunFigures::severed},
                                                      {"doubled", &RunFigures::doubled},
                                                      {"overtaken", &RunFigures::overtaken}}};

  void add(const RunFigures& other) {
    uint64_t longest = std::max(outage_ms_max, other.outage_ms_max);
    for (const Entry& entry : kEntries) this->*entry.count += other.*entry.count;
    outage_ms_max = longest;
  }

  std::string text() const {
    std::string text;
    for (const Entry& entry : kEntries) {
      text.append(text.empty() ? "" : ", ").append(std::to_string(this->*entry.count)).append(" ").append(entry.name);
    }
    return text;
  }

  // The first that never happened; "" when all did.
  std::string missing() const {
    for (const Entry& entry : kEntries) {
      if (this->*entry.count == 0) return entry.name;
    }
    return "";
  }
};

}  // namespace mcloud::sim
