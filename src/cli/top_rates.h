// Who uses how much now, from what nodes push to the sink every some seconds: gauges as they are, counters as rates
// between two pushes of a node. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sink/figures.h"

namespace mcloud::cli {

struct NodeUse {
  std::string node;
  double load = 0;
  std::optional<double> cpu;  // processors that its containers use; nullopt: one push only, so far
  uint64_t memory_used = 0, memory_total = 0;
  uint64_t disk_used = 0, disk_total = 0;
  std::optional<double> network_in, network_out;  // bytes/s of private networks
  uint64_t containers = 0;
};

struct ReplicaUse {
  std::string contract;  // the first 16 digits of its id
  std::string workload;
  std::string index;
  std::string node;
  std::optional<double> cpu;
  uint64_t memory = 0;
  uint64_t pids = 0;
};

class Top {
 public:
  // What the sink has at `now_ms` (monotonic). A node whose figures are as before has not pushed since.
  void add(const std::vector<sink::Figure>& figures, uint64_t now_ms);

  std::vector<NodeUse> nodes() const;        // by name
  std::vector<ReplicaUse> replicas() const;  // who uses most first: processors, then memory

 private:
  using Key = std::pair<std::string, std::map<std::string, std::string, std::less<>>>;  // name, labels
  struct Seen {
    std::map<Key, double> values;
    std::map<Key, double> rates;  // per second, between the last two pushes; none of what did not stand in both
    uint64_t at_ms = 0;           // of the push
  };
  std::map<std::string, Seen> by_node_;
};

}  // namespace mcloud::cli
