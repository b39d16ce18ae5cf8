// What must be true of a state after every block, whatever happened: counted anew from the workloads' records. For the
// tests of this room and its fuzz target.
#pragma once

#include <map>
#include <set>
#include <string>

#include "contract/header.h"
#include "ledger/state/placement.h"
#include "ledger/state/records.h"

namespace mcloud::ledger {

class Books {
 public:
  explicit Books(const StateReader& state) : state_(state) {
    state_.each("workload/", [&](BytesView key, BytesView value) {
      pb::Workload workload;
      parse_record(workload, value, key);
      for (const pb::Replica& replica : workload.replicas()) count(workload, replica);
      if (workload.has_set()) check_set(workload);
      return true;
    });
    state_.each("node/", [&](BytesView key, BytesView value) {
      pb::Node node;
      parse_record(node, value, key);
      check(node);
      return true;
    });
  }

  // "" when everything adds up; else the first thing that does not.
  const std::string& error() const { return error_; }

 private:
  struct OnNode {
    pb::Demand used;
    std::map<std::string, std::pair<std::string, uint32_t>> claims;  // name -> contract and workload, holders
    std::set<std::string> replicas;
  };

  void wrong(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  static std::string name_of(const std::string& contract, const std::string& workload, const auto& replica) {
    return contract + workload + "/" + std::to_string(replica.index()) + " epoch " + std::to_string(replica.epoch()) +
           " version " + std::to_string(replica.version());
  }

  void count(const pb::Workload& workload, const pb::Replica& replica) {
    if (replica.node().empty()) return;
    ContractId id = contract_id_of(workload.contract());
    auto contract = load<pb::Contract>(state_, keys::contract(id));
    std::optional<Bytes> bytes = contract->current().header();
    if (replica.version() != contract->current().version()) bytes = state_.get(keys::header(id, replica.version()));
    if (!bytes) return wrong("the header of a version that runs is gone");
    pb::ContractHeader header = parse_header(*bytes);
    const pb::Facets* facets = contract::find_facets(header, workload.name());
    if (facets == nullptr) return wrong("a workload runs that its version does not name");
    OnNode& node = nodes_[replica.node()];
    node.used = total({&node.used, &facets->demand()});
    for (const std::string& claim : facets->claims()) {
      auto [at, is_new] = node.claims.try_emplace(claim, workload.contract() + workload.name(), 0);
      if (at->second.first != workload.contract() + workload.name()) wrong("two workloads have claim " + claim);
      ++at->second.second;
    }
    node.replicas.insert(name_of(workload.contract(), workload.name(), replica));
  }

  static bool stands(const pb::Workload& workload, const pb::SetMember& member) {
    if (member.index() >= static_cast<uint32_t>(workload.replicas_size())) return false;
    const pb::Replica& replica = workload.replicas(static_cast<int>(member.index()));
    return replica.epoch() == member.epoch() && !replica.node().empty();
  }

  // Enough voters are there, or have been lost while the record says who must come back; never was one given up that
  // an election cannot do without.
  void check_set(const pb::Workload& workload) {
    const pb::SetRecord& set = workload.set();
    if (set.term() == 0 || set.voters_revision() == 0) wrong("a set without a term or a revision");
    if (set.copies() == 0 || set.copies() > static_cast<uint32_t>(set.voters_size())) wrong("a set has too few voters");
    if (set.voters_size() > static_cast<int>(contract::kSetReplicasMax)) wrong("a set has too many voters");
    uint32_t gone = 0;
    bool has_primary = false;
    for (int i = 0; i < set.voters_size(); ++i) {
      if (i > 0 && set.voters(i - 1).index() >= set.voters(i).index()) wrong("a set's voters are unsorted");
      gone += stands(workload, set.voters(i)) ? 0 : 1;
      has_primary = has_primary || set.voters(i).SerializeAsString() == set.primary().SerializeAsString();
    }
    if (set.has_primary() && (!has_primary || !stands(workload, set.primary()))) {
      wrong("a set's primary is no voter or stands nowhere");
    }
    if (gone >= static_cast<uint32_t>(set.voters_size())) wrong("all voters of a set were given up");
    if (set.has_primary() && (set.ballots_size() > 0 || !set.message().empty())) wrong("a set elects and has a primary");
    if (!set.has_primary() && set.message().empty()) wrong("a set elects and does not say who is waited for");
  }

  static pb::Demand total(const std::vector<const pb::Demand*>& demands) {
    pb::Demand sum;
    for (const pb::Demand* demand : demands) {
      sum.set_cpu_milli(sum.cpu_milli() + demand->cpu_milli());
      sum.set_memory_bytes(sum.memory_bytes() + demand->memory_bytes());
      sum.set_disk_bytes(sum.disk_bytes() + demand->disk_bytes());
      sum.set_pids(sum.pids() + demand->pids());
    }
    return sum;
  }

  void check(const pb::Node& node) {
    const OnNode& found = nodes_[node.key()];
    if (node.used().SerializeAsString() != found.used.SerializeAsString()) {
      wrong("node " + node.name() + ": what it says is used is not what stands on it");
    }
    if (found.replicas.size() > kReplicasPerNodeMax) wrong("node " + node.name() + " holds too many replicas");
    if (load_number(state_, keys::crowd(node_id_of(node))).value_or(0) != found.replicas.size()) {
      wrong("node " + node.name() + " has miscounted its replicas");
    }
    check_claims(node, found);
    check_assignment(node, found);
  }

  void check_claims(const pb::Node& node, const OnNode& found) {
    if (node.claims_size() != static_cast<int>(found.claims.size())) wrong("node " + node.name() + ": claims");
    for (const pb::NodeClaim& claim : node.claims()) {
      auto at = found.claims.find(claim.name());
      bool fits = at != found.claims.end() && at->second.first == claim.contract() + claim.workload() &&
                  at->second.second == claim.holders();
      if (!fits) wrong("node " + node.name() + ": claim " + claim.name());
    }
  }

  void check_assignment(const pb::Node& node, const OnNode& found) {
    auto assignment = load<pb::Assignment>(state_, keys::assignment(node_id_of(node)));
    if (assignment->node_epoch() != node.epoch()) wrong("node " + node.name() + ": the assignment has another epoch");
    std::set<std::string> assigned;
    for (const pb::AssignedContract& told : assignment->contracts()) {
      auto contract = load<pb::Contract>(state_, keys::contract(contract_id_of(told.contract())));
      if (told.revision() != contract->revision()) wrong("node " + node.name() + ": a contract's revision is old");
      for (const pb::AssignedReplica& replica : told.replicas()) {
        assigned.insert(name_of(told.contract(), replica.workload(), replica));
      }
    }
    if (assigned != found.replicas) wrong("node " + node.name() + " is told something else than the workloads say");
  }

  const StateReader& state_;
  std::map<std::string, OnNode> nodes_;
  std::string error_;
};

}  // namespace mcloud::ledger
