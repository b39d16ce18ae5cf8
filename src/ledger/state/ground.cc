#include "ledger/state/ground.h"

#include <algorithm>

#include "base/check.h"
#include "ledger/state/records.h"

namespace mcloud::ledger {
namespace {

uint64_t give_back(uint64_t used, uint64_t amount) {
  CHECK(used >= amount);
  return used - amount;
}

void add_claims(pb::Node& node, BytesView contract, const pb::Facets& facets) {
  auto& claims = *node.mutable_claims();
  for (const std::string& name : facets.claims()) {
    auto at = std::lower_bound(claims.begin(), claims.end(), name,
                               [](const pb::NodeClaim& claim, const std::string& text) { return claim.name() < text; });
    if (at != claims.end() && at->name() == name) {
      CHECK(at->contract() == contract && at->workload() == facets.name());
      at->set_holders(at->holders() + 1);
      continue;
    }
    auto position = at - claims.begin();
    pb::NodeClaim* claim = claims.Add();
    claim->set_name(name);
    claim->set_contract(Bytes(contract));
    claim->set_workload(facets.name());
    claim->set_holders(1);
    std::rotate(claims.begin() + position, claims.end() - 1, claims.end());
  }
}

void remove_claims(pb::Node& node, BytesView contract, const pb::Facets& facets) {
  auto& claims = *node.mutable_claims();
  for (const std::string& name : facets.claims()) {
    auto at =
        std::find_if(claims.begin(), claims.end(), [&](const pb::NodeClaim& claim) { return claim.name() == name; });
    CHECK(at != claims.end() && at->contract() == contract && at->workload() == facets.name());
    if (at->holders() > 1) {
      at->set_holders(at->holders() - 1);
    } else {
      claims.erase(at);
    }
  }
}

}  // namespace

const pb::Node* Ground::find(BytesView node) {
  auto found = nodes_.find(node);
  if (found != nodes_.end()) return &found->second;
  if (has_all_) return nullptr;
  std::optional<pb::Node> record = load_node(state_, node);
  if (!record) return nullptr;
  return &nodes_.emplace(Bytes(node), *std::move(record)).first->second;
}

const Nodes& Ground::all() {
  if (has_all_) return nodes_;
  state_.each("node/", [&](BytesView key, BytesView value) {
    BytesView id = key.substr(5);
    if (nodes_.find(id) == nodes_.end()) parse_record(nodes_[Bytes(id)], value, key);
    return true;
  });
  const size_t node_at = keys::crowds().size();
  state_.each(keys::crowds(), [&](BytesView key, BytesView count) {
    crowds_.try_emplace(Bytes(key.substr(node_at)), read_u64_be(count));
    return true;
  });
  has_all_ = true;
  return nodes_;
}

uint64_t& Ground::crowd(BytesView node) {
  auto found = crowds_.find(node);
  if (found != crowds_.end()) return found->second;
  return crowds_[Bytes(node)] = load_number(state_, keys::crowd(key_of(node))).value_or(0);
}

pb::Node& Ground::changed(BytesView node) {
  CHECK(find(node) != nullptr);
  changed_.emplace(node);
  return nodes_.find(node)->second;
}

void Ground::charge(BytesView node, BytesView contract, const pb::Facets& facets) {
  pb::Node& record = changed(node);
  pb::Demand& used = *record.mutable_used();
  used.set_cpu_milli(used.cpu_milli() + facets.demand().cpu_milli());
  used.set_memory_bytes(used.memory_bytes() + facets.demand().memory_bytes());
  used.set_disk_bytes(used.disk_bytes() + facets.demand().disk_bytes());
  used.set_pids(used.pids() + facets.demand().pids());
  add_claims(record, contract, facets);
  ++crowd(node);
}

void Ground::discharge(BytesView node, BytesView contract, const pb::Facets& facets) {
  pb::Node& record = changed(node);
  pb::Demand& used = *record.mutable_used();
  used.set_cpu_milli(give_back(used.cpu_milli(), facets.demand().cpu_milli()));
  used.set_memory_bytes(give_back(used.memory_bytes(), facets.demand().memory_bytes()));
  used.set_disk_bytes(give_back(used.disk_bytes(), facets.demand().disk_bytes()));
  used.set_pids(give_back(used.pids(), facets.demand().pids()));
  remove_claims(record, contract, facets);
  uint64_t& held = crowd(node);
  held = give_back(held, 1);
}

void Ground::assign(BytesView node, const pb::AssignedContract& contract) {
  auto found = assignments_.find(node);
  if (found == assignments_.end()) {
    auto record = load<pb::Assignment>(state_, keys::assignment(key_of(node)));
    CHECK(record.has_value());
    found = assignments_.emplace(Bytes(node), *std::move(record)).first;
  }
  auto& contracts = *found->second.mutable_contracts();
  auto at = std::lower_bound(
      contracts.begin(), contracts.end(), contract,
      [](const pb::AssignedContract& a, const pb::AssignedContract& b) { return a.contract() < b.contract(); });
  bool there = at != contracts.end() && at->contract() == contract.contract();
  if (contract.replicas().empty() && !contract.erase_volumes()) {
    if (there) contracts.erase(at);
  } else if (there) {
    *at = contract;
  } else {
    auto position = at - contracts.begin();
    *contracts.Add() = contract;
    std::rotate(contracts.begin() + position, contracts.end() - 1, contracts.end());
  }
}

void Ground::store() {
  for (const Bytes& node : changed_) {
    ledger::store(state_, keys::node(key_of(node)), nodes_.find(node)->second);
    const uint64_t held = crowd(node);
    if (held != 0) {
      store_number(state_, keys::crowd(key_of(node)), held);
    } else {
      state_.erase(keys::crowd(key_of(node)));
    }
  }
  for (const auto& [node, assignment] : assignments_) {
    ledger::store(state_, keys::assignment(key_of(node)), assignment);
  }
  changed_.clear();
  assignments_.clear();
}

}  // namespace mcloud::ledger
