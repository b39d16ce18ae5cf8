#include "bot/forecast.h"

#include <algorithm>
#include <set>

#include "ledger/state/placement.h"

namespace mcloud::bot {
namespace {

template <typename Values>
bool holds(const Values& values, BytesView wanted) {
  return std::ranges::any_of(values, [&](const auto& value) { return value == wanted; });
}

bool may_stand(const pb::Placement& placement, const pb::Node& node) {
  bool labels = std::ranges::all_of(placement.labels(), [&](const pb::Label& label) {
    return std::ranges::any_of(
        node.labels(), [&](const pb::Label& own) { return own.key() == label.key() && own.value() == label.value(); });
  });
  return labels && (placement.pin().empty() || placement.pin() == node.key()) &&
         (placement.farms().empty() || holds(placement.farms(), node.farm())) &&
         (placement.countries().empty() || holds(placement.countries(), node.country()));
}

const pb::Facets* find_named(const pb::ContractHeader& header, BytesView name) {
  auto found =
      std::ranges::find_if(header.workloads(), [&](const pb::Facets& facets) { return facets.name() == name; });
  return found == header.workloads().end() ? nullptr : &*found;
}

class Forecaster {
 public:
  Forecaster(const ContractId& id, const pb::ContractHeader& header, const std::vector<NodeId>& readers)
      : contract_(id.bytes()), header_(header) {
    for (const NodeId& node : readers) readers_.insert(node.bytes());
  }

  void add_node(const pb::Node& node) { nodes_[node.key()] = node; }

  void add_existing(const pb::Workload& workload) {
    for (const pb::Replica& replica : workload.replicas()) {
      if (!replica.node().empty()) standing_[{workload.name(), replica.index()}] = replica.node();
    }
  }

  std::vector<Forecast> run() {
    std::set<std::string> followers;
    for (const pb::Facets& facets : header_.workloads()) followers.insert(facets.with().begin(), facets.with().end());
    std::vector<Forecast> all;
    for (const pb::Facets& leader : header_.workloads()) {
      if (followers.contains(leader.name())) continue;
      for (uint32_t index = 0; index < leader.replicas(); index++) place(leader, index, all);
    }
    return all;
  }

 private:
  using Place = std::pair<std::string, uint32_t>;

  std::vector<const pb::Facets*> bundle(const pb::Facets& leader) const {
    std::vector<const pb::Facets*> members = {&leader};
    for (const std::string& name : leader.with()) {
      if (const pb::Facets* follower = find_named(header_, name)) members.push_back(follower);
    }
    return members;
  }

  std::map<Bytes, ledger::Neighbours, std::less<>> neighbours(const pb::Facets& leader, uint32_t index) const {
    std::map<Bytes, ledger::Neighbours, std::less<>> near;
    for (const auto& [place, node] : standing_) {
      const auto& [workload, other] = place;
      if (workload == leader.name() && other != index) near[node].replicas++;
      if (holds(leader.placement().together(), workload)) near[node].together++;
      if (holds(leader.placement().apart(), workload)) near[node].apart = true;
    }
    return near;
  }

  void charge(pb::Node& node, const std::vector<const pb::Facets*>& members) {
    pb::Demand demand = ledger::total_demand(members);
    pb::Demand& used = *node.mutable_used();
    used.set_cpu_milli(used.cpu_milli() + demand.cpu_milli());
    used.set_memory_bytes(used.memory_bytes() + demand.memory_bytes());
    used.set_disk_bytes(used.disk_bytes() + demand.disk_bytes());
    used.set_pids(used.pids() + demand.pids());
  }

  void place(const pb::Facets& leader, uint32_t index, std::vector<Forecast>& all) {
    Forecast result{leader.name(), index, Bytes(), false, ""};
    auto standing = standing_.find({leader.name(), index});
    if (standing != standing_.end() && nodes_.contains(standing->second)) {
      result.node = standing->second;
      result.stays = true;
    } else {
      ledger::Ask ask;
      ask.contract = contract_;
      ask.members = bundle(leader);
      ask.openers = header_.sealed_secrets() ? &readers_ : nullptr;
      ask.neighbours = neighbours(leader, index);
      ledger::Choice choice = ledger::choose_node(ask, nodes_);
      result.node = choice.node;
      result.lacking = choice.lacking;
      if (!choice.node.empty()) {
        charge(nodes_[choice.node], ask.members);
        standing_[{leader.name(), index}] = choice.node;
      }
    }
    all.push_back(std::move(result));
  }

  Bytes contract_;
  const pb::ContractHeader& header_;
  std::set<Bytes, std::less<>> readers_;
  ledger::Nodes nodes_;
  std::map<Place, Bytes> standing_;
};

}  // namespace

std::vector<Forecast> forecast(const ContractId& id, const pb::ContractHeader& header,
                               const std::vector<pb::Node>& nodes, const std::vector<pb::Workload>& existing,
                               const std::vector<NodeId>& readers) {
  Forecaster forecaster(id, header, readers);
  for (const pb::Node& node : nodes) forecaster.add_node(node);
  for (const pb::Workload& workload : existing) forecaster.add_existing(workload);
  return forecaster.run();
}

std::vector<NodeId> eligible_nodes(const pb::ContractHeader& header, const std::vector<pb::Node>& nodes) {
  std::vector<NodeId> eligible;
  for (const pb::Node& node : nodes) {
    bool any = std::ranges::any_of(header.workloads(), [&](const pb::Facets& facets) {
      return facets.replicas() > 0 && may_stand(facets.placement(), node);
    });
    Result<NodeId> id = NodeId::from_bytes(node.key());
    if (any && id) eligible.push_back(*id);
  }
  std::ranges::sort(eligible);
  return eligible;
}

}  // namespace mcloud::bot
