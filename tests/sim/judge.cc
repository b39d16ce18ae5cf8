#include "sim/judge.h"

#include <algorithm>
#include <array>

#include "contract/header.h"
#include "ledger/state/records.h"

namespace mcloud::sim {
namespace {

using node::ReplicaKey;

bool is_ready_word(pb::ReplicaState state) {
  return state == pb::REPLICA_RUNNING || state == pb::REPLICA_HEALTHY || state == pb::REPLICA_COMPLETED;
}

// Of everything that is given away.
using Amounts = std::array<uint64_t, 4>;
Amounts amounts_of(const pb::Demand& demand) {
  return {demand.cpu_milli(), demand.memory_bytes(), demand.disk_bytes(), demand.pids()};
}

constexpr size_t kIdAt = 9;  // "workload/" id "/" name, "contract/" id

}  // namespace

void Judge::fail(const std::string& what) const {
  throw Violation("at " + std::to_string(clock_.now() - Clockwork().now()) + " ms: " + what);
}

const pb::ContractHeader* Judge::header(const ContractId& contract, uint64_t version) const {
  auto found = headers_.find({contract, version});
  return found == headers_.end() ? nullptr : &found->second;
}

void Judge::accepted(const pb::Transaction& transaction) {
  auto note_header = [&](const std::string& bytes) {
    pb::ContractHeader header = ledger::parse_header(bytes);
    headers_[{contract::contract_id(header), header.version()}] = header;
  };
  if (transaction.has_submit_contract()) note_header(transaction.submit_contract().header());
  if (transaction.has_update_contract()) note_header(transaction.update_contract().header());
  if (transaction.has_approve()) {
    const pb::Approve& approve = transaction.approve();
    std::pair<ContractId, uint64_t> version{ledger::contract_id_of(approve.contract()), approve.version()};
    const pb::ContractHeader* known = header(version.first, version.second);
    if (known == nullptr || clock_.now() >= known->expires_ms()) fail("an approval counts that came too late");
    approvals_[version].insert(transaction.sender());
  }
  if (transaction.has_cancel_contract() && transaction.cancel_contract().erase_volumes()) {
    erasable_.insert(ledger::contract_id_of(transaction.cancel_contract().contract()));
  }
}

// Counted anew, without contract/approval.h.
bool Judge::is_approved(const ContractId& contract, uint64_t version) const {
  const pb::ContractHeader* known = header(contract, version);
  auto approvals = approvals_.find({contract, version});
  if (known == nullptr || approvals == approvals_.end()) return false;
  uint32_t weight = 0;
  for (const pb::Signer& signer : known->approvals().signers()) {
    bool approves = approvals->second.contains(signer.key());
    if (signer.required() && !approves) return false;
    weight += approves ? signer.weight() : 0;
  }
  return weight >= known->approvals().threshold();
}

void Judge::judge_contract(const pb::Contract& contract) const {
  if (!contract.has_current()) return;
  if (!is_approved(ledger::contract_id_of(contract.id()), contract.current().version())) {
    fail("contract " + contract.name() + " version " + std::to_string(contract.current().version()) +
         " is current without its approvals");
  }
}

// From one node to another: never when the data that lies there is to be waited for.
void Judge::judge_move(const ReplicaKey& key, const Bytes& from, uint64_t version) {
  ++moves_;
  data_at_.erase(key);
  const pb::ContractHeader* known = header(key.contract, version);
  const pb::Facets* facets = known == nullptr ? nullptr : contract::find_facets(*known, key.workload);
  if (facets == nullptr) fail(node::describe(key) + " is placed, though its version names no such workload");
  if (facets->on_node_loss() == pb::NODE_LOSS_WAIT) fail(node::describe(key) + " leaves the node with its data");
  auto node = nodes_.find(from);
  if (node != nodes_.end() && node->second.held() && facets->on_mass_loss() == pb::MASS_LOSS_HOLD) {
    fail(node::describe(key) + " moves from node " + node->second.name() + ", whose loss is held");
  }
}

void Judge::judge_workload(const ledger::Overlay::Changes::value_type& change) {
  ContractId id = ledger::contract_id_of(BytesView(change.first).substr(kIdAt, 32));
  std::string name = change.first.substr(kIdAt + 33);
  pb::Workload workload;
  if (change.second) ledger::parse_record(workload, *change.second, change.first);
  for (const pb::Replica& replica : workload.replicas()) {
    ReplicaKey key{id, name, replica.index()};
    Holder& holder = holders_[key];
    bool moves = !replica.node().empty() && replica.node() != holder.node;
    if (moves && replica.epoch() <= holder.epoch_max) {
      fail(node::describe(key) + " is given to another node with epoch " + std::to_string(replica.epoch()) +
           ", which was there before");
    }
    if (replica.epoch() < holder.epoch_max) fail(node::describe(key) + ": its epoch goes back");
    if (moves && !holder.node.empty()) judge_move(key, holder.node, replica.version());
    touched_nodes_.insert(replica.node());
    touched_nodes_.insert(holder.node);
    holder = {replica.node(), replica.epoch(), std::max(holder.epoch_max, replica.epoch()), replica.version()};
    if (!is_ready_word(replica.state())) continue;
    if (ran_.contains({key, ledger::key_of(replica.node()), replica.epoch()})) continue;
    fail(node::describe(key) + " epoch " + std::to_string(replica.epoch()) +
         " is reported ready, but its node never ran that");
  }
  judge_set({id, name}, workload);
  // Replicas that are no more. Their epochs stay used: somebody may still run them.
  auto at = holders_.lower_bound({id, name, static_cast<uint32_t>(workload.replicas_size())});
  for (; at != holders_.end() && at->first.contract == id && at->first.workload == name; ++at) {
    touched_nodes_.insert(at->second.node);
    at->second.node.clear();
    data_at_.erase(at->first);
  }
}

// A term has one primary; the next is higher.
void Judge::judge_set(const SetKey& key, const pb::Workload& workload) {
  if (!workload.has_set()) {
    if (terms_.erase(key) > 0) sets_.forget(key);
    return;
  }
  bool is_asynchronous = workload.set().copies() == 1;
  for (const pb::Replica& replica : workload.replicas()) {
    const pb::ContractHeader* told = replica.node().empty() ? nullptr : header(key.first, replica.version());
    const pb::Facets* facets = told == nullptr ? nullptr : contract::find_facets(*told, key.second);
    is_asynchronous = is_asynchronous && (facets == nullptr || facets->set().copies() <= 1);
  }
  sets_.asynchronous(key, is_asynchronous);
  auto [term, is_new] = terms_.try_emplace(key, workload.set().term());
  if (workload.set().term() < term->second) fail("the set " + key.second + ": its term goes back");
  elections_ += !is_new && workload.set().term() > term->second ? 1 : 0;
  term->second = workload.set().term();
}

void Judge::acknowledged(const ReplicaKey& by, uint64_t term, uint64_t value, uint32_t copies) {
  std::string wrong = sets_.acknowledged({by.contract, by.workload}, term, value, copies, clock_.now());
  if (!wrong.empty()) fail(node::describe(by) + ": " + wrong);
}

void Judge::leads(const ReplicaKey& replica, uint64_t term, const Log& log) {
  std::string wrong = sets_.leads({replica.contract, replica.workload}, term, log);
  if (!wrong.empty()) fail(node::describe(replica) + ": " + wrong);
}

void Judge::settled_set(const ReplicaKey& primary, const Log& log, bool is_writable) const {
  std::string wrong = sets_.settled({primary.contract, primary.workload}, log, is_writable, clock_.now());
  if (!wrong.empty()) fail(node::describe(primary) + ": " + wrong);
}

void Judge::judge_node(const pb::Node& node) {
  auto before = nodes_.find(node.key());
  bool fenced = node.state() == pb::NODE_FENCED && (before == nodes_.end() || before->second.state() != node.state());
  nodes_[node.key()] = node;
  touched_nodes_.insert(node.key());
  if (!fenced) return;
  ++fencings_;
  if (clock_.now() <= back_ms_ + scenario_.fence_after_ms) {
    fail("node " + node.name() + " is fenced " + std::to_string(clock_.now() - back_ms_) +
         " ms after an outage of the ledger, before anybody could hear it");
  }
  if (scenario_.network.loss_percent != 0) return;
  // Without loss, only what was disturbed lately may be taken for dead; an outage is no reason.
  auto disturbed = disturbed_until_.find(ledger::node_id_of(node));
  uint64_t until = disturbed == disturbed_until_.end() ? 0 : disturbed->second;
  // Several validators' votes count together for twice fence_after.
  uint64_t memory_ms = scenario_.fence_after_ms + 1000 + (scenario_.validators > 1 ? 2 * scenario_.fence_after_ms : 0);
  if (until == UINT64_MAX || until + memory_ms >= clock_.now()) return;
  fail("node " + node.name() + " is fenced, though nothing kept its heartbeats from the validators");
}

// What stands on a node, added up from the headers, is what the node says is used, and not more than it has; and no
// two workloads have the same claim.
void Judge::judge_books() const {
  for (const Bytes& key : touched_nodes_) {
    auto found = nodes_.find(key);
    if (found == nodes_.end()) continue;
    const pb::Node& node = found->second;
    Amounts used{};
    std::map<std::string, std::pair<ContractId, std::string>> claims;
    for (const auto& [replica, holder] : holders_) {
      if (holder.node != key) continue;
      const pb::ContractHeader* known = header(replica.contract, holder.version);
      const pb::Facets* facets = known == nullptr ? nullptr : contract::find_facets(*known, replica.workload);
      if (facets == nullptr) fail(node::describe(replica) + " is placed, though its version names no such workload");
      const Amounts wanted = amounts_of(facets->demand());
      for (size_t i = 0; i < used.size(); ++i) used[i] += wanted[i];
      for (const std::string& claim : facets->claims()) {
        std::pair<ContractId, std::string> who{replica.contract, replica.workload};
        if (claims.try_emplace(claim, who).first->second != who)
          fail("two workloads have " + claim + " on " + node.name());
      }
    }
    const Amounts capacity = amounts_of(node.capacity());
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i] > capacity[i]) fail("node " + node.name() + " is given more than it has");
    }
    if (used != amounts_of(node.used()))
      fail("node " + node.name() + ": what it says is used is not what stands on it");
  }
}

void Judge::block(const ledger::Overlay::Changes& changes) {
  touched_nodes_.clear();
  for (const auto& change : changes) {
    if (change.first.starts_with("workload/")) judge_workload(change);
    if (!change.second) continue;
    if (change.first.starts_with("node/")) {
      pb::Node node;
      ledger::parse_record(node, *change.second, change.first);
      judge_node(node);
    } else if (change.first.starts_with("contract/")) {
      pb::Contract contract;
      ledger::parse_record(contract, *change.second, change.first);
      judge_contract(contract);
    }
  }
  judge_books();
}

void Judge::started(const Start& start) {
  ++starts_;
  std::string what = node::describe(start.replica) + " epoch " + std::to_string(start.epoch);
  if (!is_approved(start.replica.contract, start.version)) fail(what + " is started without approvals");
  std::map<NodeId, uint64_t>& live = live_[start.replica];
  for (const auto& [node, epoch] : live) {
    if (node != start.node && epoch == start.epoch) fail(what + " has two live holders");
  }
  live[start.node] = start.epoch;
  ran_.insert({start.replica, start.node, start.epoch});
}

void Judge::has_volume(const Start& start) {
  ran_.insert({start.replica, start.node, start.epoch});
  const pb::ContractHeader* known = header(start.replica.contract, start.version);
  const pb::Facets* facets = known == nullptr ? nullptr : contract::find_facets(*known, start.replica.workload);
  auto holder = holders_.find(start.replica);
  // A node with old news may hold one that was given up for good and begun anew elsewhere.
  if (facets == nullptr || holder == holders_.end() || holder->second.node != start.node.view()) return;
  auto [at, is_new] = data_at_.try_emplace(start.replica, start.node);
  if (is_new || at->second == start.node) return;
  if (facets->on_node_loss() == pb::NODE_LOSS_WAIT)
    fail(node::describe(start.replica) + " is served empty on another node");
  at->second = start.node;
}

void Judge::stopped(const NodeId& node, const ReplicaKey& replica) { live_[replica].erase(node); }

void Judge::erased(const ReplicaKey& volume) {
  if (!erasable_.contains(volume.contract)) fail(node::describe(volume) + " is erased, though nobody asked for it");
}

void Judge::disturbed(const NodeId& node, bool is_disturbed) {
  disturbed_until_[node] = is_disturbed ? UINT64_MAX : clock_.now();
}

void Judge::check_isolation(const NodeId& node, const ReplicaKey& replica, uint64_t silent_ms) const {
  if (silent_ms <= scenario_.fence_after_ms * 4 / 5) return;
  fail(node::describe(replica) + " runs on node " + node.short_hex() + ", which has not heard of the ledger for " +
       std::to_string(silent_ms) + " ms, though it is to stop then");
}

}  // namespace mcloud::sim
