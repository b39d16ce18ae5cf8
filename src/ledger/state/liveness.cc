#include "ledger/state/liveness.h"

#include <algorithm>

#include "ledger/state/agenda.h"
#include "ledger/state/call.h"
#include "ledger/state/logic.h"
#include "ledger/state/mesh.h"
#include "ledger/state/records.h"

namespace mcloud::ledger {
namespace {

uint64_t power_of(const pb::ValidatorSet& validators, const google::protobuf::RepeatedPtrField<std::string>& keys) {
  uint64_t power = 0;
  for (const pb::Validator& validator : validators.validators()) {
    if (std::find(keys.begin(), keys.end(), validator.key()) != keys.end()) power += validator.power();
  }
  return power;
}

// Powers are bounded by initialize_state(), so that three times their sum fits.
bool is_enough(const pb::ValidatorSet& validators, const pb::Node& node) {
  uint64_t total = 0;
  for (const pb::Validator& validator : validators.validators()) total += validator.power();
  return power_of(validators, node.suspected_by()) * 3 > total * 2;
}

// Votes count together only when they are cast within this time: an old false alarm adds to no new one.
uint64_t vote_life_ms(const pb::Parameters& parameters) { return 2 * parameters.fence_after_ms(); }

void add_vote(const Call& call, const pb::Parameters& parameters, pb::Node& node, StateWriter& state) {
  NodeId id = node_id_of(node);
  store_number(state, keys::suspicion(id, call.sender.view()), call.time_ms);
  const size_t voter_at = keys::suspicions(id).size();
  node.clear_suspected_by();
  state.each(keys::suspicions(id), [&](BytesView key, BytesView time) {
    if (read_u64_be(time) + vote_life_ms(parameters) >= call.time_ms)
      node.add_suspected_by(Bytes(key.substr(voter_at)));
    return true;
  });
}

void forget_votes(StateWriter& state, const NodeId& node) {
  std::vector<Bytes> votes;
  state.each(keys::suspicions(node), [&](BytesView key, BytesView) {
    votes.emplace_back(key);
    return true;
  });
  for (const Bytes& key : votes) state.erase(key);
}

void fence(const Call& call, const pb::Parameters& parameters, pb::Node& node, StateWriter& state) {
  node.set_state(pb::NODE_FENCED);
  node.set_fenced_ms(call.time_ms);
  change_epoch(state, node);
  NodeId id = node_id_of(node);
  uint64_t settles_ms = call.time_ms + settle_ms(parameters);
  store_number(state, keys::unsettled(id), settles_ms);
  agenda::add_due(state, settles_ms, keys::Due::Node, id.view());
  if (call.logic_version < kLogicNetworks) return;
  refresh_relay(state, node, call.height);
  flip_contracts(state, id);
}

bool is_mass_loss(const StateReader& state, const pb::Node& lost, uint64_t window_ms) {
  pb::Farm farm = *load<pb::Farm>(state, keys::farm(lost.farm()));
  uint64_t fenced = 0;
  uint64_t online = 0;
  for (const std::string& key : farm.nodes()) {
    pb::Node node = *load_node(state, key);
    if (node.state() == pb::NODE_ONLINE) {
      ++online;
    } else if (node.fenced_ms() + window_ms >= lost.fenced_ms()) {
      ++fenced;
    }
  }
  return fenced >= 2 && fenced * 3 > fenced + online;
}

std::vector<ContractId> contracts_on(const StateReader& state, const NodeId& node) {
  pb::Assignment assignment = *load<pb::Assignment>(state, keys::assignment(node));
  std::vector<ContractId> contracts;
  for (const pb::AssignedContract& contract : assignment.contracts()) {
    contracts.push_back(contract_id_of(contract.contract()));
  }
  return contracts;
}

}  // namespace

uint64_t settle_ms(const pb::Parameters& parameters) { return parameters.fence_after_ms() / 5; }

Status suspect(const Call& call, const pb::Suspect& action, StateWriter& state) {
  std::optional<pb::Node> node = load_node(state, action.node());
  if (!node) return make_error(Code::NotFound, "there is no node " + to_hex(BytesView(action.node()).substr(0, 4)));
  if (node->state() != pb::NODE_ONLINE) {
    return make_error(Code::Conflict, "node " + node->name() + " is fenced already");
  }
  if (node->epoch() != action.node_epoch()) {
    return make_error(Code::Conflict, "node " + node->name() + " has epoch " + std::to_string(node->epoch()) +
                                          ", not " + std::to_string(action.node_epoch()));
  }
  pb::Parameters parameters = load_parameters(state);
  add_vote(call, parameters, *node, state);
  if (is_enough(load_validators(state), *node)) fence(call, parameters, *node, state);
  store(state, keys::node(node_id_of(*node)), *node);
  return {};
}

void settle_loss(StateWriter& state, const NodeId& id) {
  std::optional<pb::Node> node = load_node(state, id.view());
  if (!node || !exists(state, keys::unsettled(id))) return;
  state.erase(keys::unsettled(id));
  if (!node->draining() && is_mass_loss(state, *node, load_parameters(state).mass_loss_window_ms())) {
    node->set_held(true);
    store(state, keys::node(id), *node);
  }
  mark_contracts(state, id);
}

void forget_loss(StateWriter& state, const pb::Node& node) {
  NodeId id = node_id_of(node);
  std::optional<uint64_t> settles_ms = load_number(state, keys::unsettled(id));
  if (!settles_ms) return;
  state.erase(keys::unsettled(id));
  agenda::remove_due(state, *settles_ms, keys::Due::Node, id.view());
}

void change_epoch(StateWriter& state, pb::Node& node) {
  NodeId id = node_id_of(node);
  node.set_epoch(node.epoch() + 1);
  node.clear_suspected_by();
  forget_votes(state, id);
  pb::Assignment assignment = *load<pb::Assignment>(state, keys::assignment(id));
  assignment.set_node_epoch(node.epoch());
  store(state, keys::assignment(id), assignment);
}

void mark_contracts(StateWriter& state, const NodeId& node) {
  for (const ContractId& contract : contracts_on(state, node)) agenda::mark_dirty(state, contract);
}

void flip_contracts(StateWriter& state, const NodeId& node) {
  for (const ContractId& contract : contracts_on(state, node)) agenda::mark_flipped(state, contract);
}

void revise_contracts(StateWriter& state, const NodeId& node) {
  for (const ContractId& contract : contracts_on(state, node)) agenda::mark_revised(state, contract);
}

}  // namespace mcloud::ledger
