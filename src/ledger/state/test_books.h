// What must be true of a state after every block, whatever happened: counted anew from the workloads' records. For the
// tests of this room and its fuzz target.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "contract/header.h"
#include "ledger/state/addresses.h"
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
    check_contracts();
    check_names();
    check_relays();
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

  // ---- networks and names --------------------------------------------------------------------------

  void check_contracts() {
    state_.each("contract/", [&](BytesView key, BytesView value) {
      pb::Contract contract;
      parse_record(contract, value, key);
      for (const pb::SpaceGrant& grant : contract.spaces()) check_grant(grant);
      if (contract.current().state() != pb::CONTRACT_ACTIVE) return true;
      const pb::ContractHeader header = parse_header(contract.current().header());
      for (const pb::Facets& facets : header.workloads()) {
        for (const std::string& name : facets.names()) {
          if (!used_names_.emplace(name, contract.id()).second) wrong("two contracts, or two workloads, use name " + name);
        }
      }
      return true;
    });
  }

  void check_grant(const pb::SpaceGrant& grant) {
    const Ipv4Range range = parse_ipv4_range(grant.range()).value_or(Ipv4Range());
    std::set<std::string> addresses, names, keys;
    auto take = [&](const std::string& text) {
      const uint32_t address = parse_ipv4(text).value_or(0);
      if (address < range.first_lease() || address > range.last_lease()) wrong("an address outside its network's range");
      if (!addresses.insert(text).second) wrong("an address is given twice: " + text);
    };
    for (const pb::SpaceLease& lease : grant.leases()) take(lease.address());
    for (const pb::Device& device : grant.devices()) {
      take(device.address());
      if (!names.insert(device.name()).second || !keys.insert(device.key()).second) wrong("two devices share a name or key");
    }
    if (grant.devices_size() > 1024) wrong("a network has too many devices");
  }

  void check_names() {
    std::map<std::string, uint64_t> counts;
    state_.each("name/", [&](BytesView key, BytesView value) {
      pb::NamedRecord record;
      parse_record(record, value, key);
      ++counts[record.owner()];
      if (!exists(state_, keys::name_of(key_of(record.owner()), record.name()))) wrong("a name is not in its owner's list");
      auto used = used_names_.find(record.name());
      const std::string user = used == used_names_.end() ? "" : used->second;
      if (record.contract() != user) wrong("name " + record.name() + " is bound to another contract than the one that uses it");
      if (used == used_names_.end()) return true;
      auto contract = load_contract(state_, user);
      if (contract->owner() != record.owner()) wrong("a contract uses a name that is not its owner's: " + record.name());
      used_names_.erase(used);
      return true;
    });
    if (!used_names_.empty()) wrong("a contract uses a name that nobody owns: " + used_names_.begin()->first);
    uint64_t listed = 0, owned = 0;
    state_.each("name-of/", [&](BytesView, BytesView) { return ++listed > 0; });
    for (const auto& [owner, count] : counts) {
      owned += count;
      if (load_number(state_, keys::name_count(key_of(owner))) != count) wrong("somebody's names are miscounted");
    }
    if (listed != owned) wrong("a list of names has one that its owner does not own");
  }

  void check_relays() {
    auto relays = load<pb::Relays>(state_, keys::relays()).value_or(pb::Relays());
    if (relays.nodes_size() > 64) wrong("there are too many relays");
    for (int i = 0; i < relays.nodes_size(); ++i) {
      if (i > 0 && relays.nodes(i - 1) >= relays.nodes(i)) wrong("relays are unsorted");
      auto node = load_node(state_, relays.nodes(i));
      auto has_key = [](const pb::MeshKey& key) { return key.vni() == 0 && key.slot() == 2; };
      if (node->state() != pb::NODE_ONLINE || !node->addresses().relay() ||
          std::none_of(node->mesh_keys().begin(), node->mesh_keys().end(), has_key)) {
        wrong("node " + node->name() + " is listed as a relay and is none");
      }
    }
  }

  void check_guest(const pb::Node& node) {
    auto has_key = [](const pb::MeshKey& key) { return key.vni() == 0 && key.slot() == 2; };
    const bool is_guest = !node.addresses().relay() && std::any_of(node.mesh_keys().begin(), node.mesh_keys().end(), has_key);
    const uint64_t height = load_number(state_, keys::guest(node_id_of(node))).value_or(0);
    if (is_guest != (height > 0)) wrong("node " + node.name() + " is wrong in the list of guests");
    if (height > load_number(state_, keys::guests_revision()).value_or(0)) wrong("guests are newer than their revision");
  }

  void check_number(const pb::Node& node) {
    check_guest(node);
    if (node.number() != 0 && state_.get(keys::node_number(node.number())) != node.key()) {
      wrong("node " + node.name() + " has a number that is another's");
    }
    for (const pb::MeshKey& key : node.mesh_keys()) {
      if (state_.get(keys::mesh_key(key.key())) != node.key()) wrong("node " + node.name() + " has a key that is another's");
    }
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
    check_number(node);
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
  std::map<std::string, std::string> used_names_;  // -> contract
  std::string error_;
};

}  // namespace mcloud::ledger
