// Inside this room's tests only: clusters whose node is a shell script around a real bird.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "lab/cluster.h"

namespace mcloud::lab {

// False when this machine cannot run clusters; then the reason has been printed.
bool can_run_clusters();
Options test_options(const std::string& folder, size_t nodes);

// What a running cluster has on this machine, and what is still there later. Other clusters and tests may come and
// go meanwhile.
class Traces {
 public:
  explicit Traces(const ClusterStatus& status);
  // "" or what is left, after at most 10 s: processes in the cluster's namespaces, control groups, mounts, links.
  std::string left() const;
  int root_pid() const { return root_; }
  int keeper_pid() const { return keeper_; }

 private:
  std::string left_now() const;
  std::string id_, folder_;
  int root_ = 0, keeper_ = 0;
  std::set<std::string> namespaces_;  // "net:[4026532...]", of all its processes
  // Since boot, when this was made. Numbers of namespaces are given anew, to processes that start later.
  uint64_t now_ticks_ = 0;
};

// Every node can be reached from every other over the backplane, directly where they are neighbours. False after 15 s.
bool wait_for_ring(const ClusterStatus& status);

// A TCP stream of small questions and answers between two nodes' backplane addresses.
class Stream {
 public:
  Stream(const NodeStatus& from, const NodeStatus& to);
  // Asks for `duration_ms`; the longest wait for an answer in ms. An answer that takes 10 s or a broken stream is -1.
  int run(int duration_ms);

 private:
  io::Fd client_, served_;
};

}  // namespace mcloud::lab
