// Owner, signers and operator of a simulated cluster: they submit, approve (or not), update, cancel, drain,
// and send again what seems lost.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "sim/agent.h"

namespace mcloud::sim {

class People {
 public:
  explicit People(Agent::World world) : world_(world) {}

  void start();
  // No new ideas: what drains is resumed, what is stuck is retried, what was begun is brought to an end.
  void calm_down() { is_calm_ = true; }

 private:
  struct Outbox {
    std::deque<Fill> waiting;
    uint64_t sent_sequence = 0;
    uint64_t sent_ms = 0;
  };

  void tick();
  void flush(const std::string& person, Outbox& outbox);
  void post(const std::string& person, const Fill& fill) { outboxes_[person].waiting.push_back(fill); }
  void have_an_idea();
  void repair();
  void submit();
  void update(pb::ContractHeader& header);
  void cancel(size_t index);
  void decide(const pb::ContractHeader& header);
  std::vector<pb::Facets> some_workloads();
  pb::Facets some_set();
  pb::Facets some_container(const std::string& name);

  Agent::World world_;
  std::map<std::string, Outbox> outboxes_;
  std::vector<pb::ContractHeader> headers_;  // the latest proposal of each live contract
  uint64_t submitted_ = 0;
  bool is_calm_ = false;
};

}  // namespace mcloud::sim
