#include "ledger/engine/liveness.h"

namespace mcloud::ledger {

void Liveness::set_nodes(const std::vector<WatchedNode>& online, uint64_t now_ms) {
  std::map<NodeId, Timer> next;
  for (const WatchedNode& node : online) {
    auto known = nodes_.find(node.node);
    bool is_same = known != nodes_.end() && known->second.epoch == node.epoch;
    next[node.node] = is_same ? known->second : Timer{node.epoch, now_ms};
  }
  nodes_ = std::move(next);
}

bool Liveness::heartbeat(const NodeId& node, uint64_t counter, uint64_t now_ms) {
  auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  auto [last, is_first] = counters_.try_emplace(node, counter);
  if (!is_first && counter <= last->second) return false;
  last->second = counter;
  found->second.heard_ms = now_ms;
  return true;
}

void Liveness::restart(uint64_t now_ms) {
  for (auto& [node, timer] : nodes_) timer.heard_ms = now_ms;
}

std::vector<WatchedNode> Liveness::tick(uint64_t now_ms) {
  bool was_away = now_ms - last_tick_ms_ > fence_after_ms_ / 2;
  last_tick_ms_ = now_ms;
  if (was_away) restart(now_ms);
  std::vector<WatchedNode> silent;
  for (auto& [node, timer] : nodes_) {
    if (now_ms - timer.heard_ms <= fence_after_ms_) continue;
    silent.push_back({node, timer.epoch});
    timer.heard_ms = now_ms;
  }
  return silent;
}

}  // namespace mcloud::ledger
