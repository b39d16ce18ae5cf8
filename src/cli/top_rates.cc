#include "cli/top_rates.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>

namespace mcloud::cli {
namespace {

std::string label(const std::map<std::string, std::string, std::less<>>& labels, std::string_view name) {
  auto found = labels.find(name);
  return found == labels.end() ? "" : found->second;
}

uint64_t whole(double value) { return value < 0 ? 0 : static_cast<uint64_t>(value); }

void add_to(std::optional<double>& sum, double value) { sum = sum.value_or(0) + value; }

}  // namespace

void Top::add(const std::vector<sink::Figure>& figures, uint64_t now_ms) {
  std::map<std::string, std::map<Key, double>> fresh;
  for (const sink::Figure& figure : figures) {
    std::string node = label(figure.labels, "node");
    if (!node.empty()) fresh[node][{figure.name, figure.labels}] = std::strtod(figure.value.c_str(), nullptr);
  }
  std::erase_if(by_node_, [&](const auto& known) { return !fresh.contains(known.first); });
  for (auto& [node, values] : fresh) {
    Seen& seen = by_node_[node];
    if (seen.values == values) continue;
    bool is_known = !seen.values.empty() && now_ms > seen.at_ms;
    seen.rates.clear();
    for (const auto& [key, value] : values) {
      auto before = seen.values.find(key);
      bool counts = is_known && key.first.ends_with("_total") && before != seen.values.end() && value >= before->second;
      if (counts) seen.rates[key] = (value - before->second) * 1000 / static_cast<double>(now_ms - seen.at_ms);
    }
    seen.values = std::move(values);
    seen.at_ms = now_ms;
  }
}

std::vector<NodeUse> Top::nodes() const {
  std::vector<NodeUse> out;
  for (const auto& [node, seen] : by_node_) {
    auto value = [&](const char* name) {
      auto found = std::ranges::find_if(seen.values, [&](const auto& one) { return one.first.first == name; });
      return found == seen.values.end() ? 0 : found->second;
    };
    NodeUse& use = out.emplace_back();
    use.node = node;
    use.load = value("node_load1");
    use.memory_total = whole(value("node_memory_total_bytes"));
    use.memory_used = whole(value("node_memory_total_bytes") - value("node_memory_available_bytes"));
    use.disk_total = whole(value("node_disk_total_bytes"));
    use.disk_used = whole(value("node_disk_total_bytes") - value("node_disk_free_bytes"));
    use.containers = whole(value("node_containers_running"));
    for (const auto& [key, rate] : seen.rates) {
      if (key.first == "node_container_cpu_seconds_total") add_to(use.cpu, rate);
      if (key.first != "mcloud_network_bytes_total") continue;
      add_to(label(key.second, "direction") == "in" ? use.network_in : use.network_out, rate);
    }
  }
  return out;
}

std::vector<ReplicaUse> Top::replicas() const {
  std::vector<ReplicaUse> out;
  for (const auto& [node, seen] : by_node_) {
    for (const auto& [key, value] : seen.values) {
      if (key.first != "node_container_memory_bytes") continue;
      ReplicaUse& use = out.emplace_back();
      use.contract = label(key.second, "contract");
      use.workload = label(key.second, "workload");
      use.index = label(key.second, "index");
      use.node = node;
      use.memory = whole(value);
      if (auto pids = seen.values.find({"node_container_pids", key.second}); pids != seen.values.end()) use.pids = whole(pids->second);
      auto rate = seen.rates.find({"node_container_cpu_seconds_total", key.second});
      if (rate != seen.rates.end()) use.cpu = rate->second;
    }
  }
  auto order = [](const ReplicaUse& use) {
    return std::tuple(-use.cpu.value_or(0), ~use.memory, use.contract, use.workload, use.index, use.node);
  };
  std::ranges::sort(out, {}, order);
  return out;
}

}  // namespace mcloud::cli
