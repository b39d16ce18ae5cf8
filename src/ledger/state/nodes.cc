#include "ledger/state/agenda.h"
#include "ledger/state/call.h"
#include "ledger/state/liveness.h"
#include "ledger/state/logic.h"
#include "ledger/state/mesh.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"

namespace mcloud::ledger {
namespace {

Result<pb::Node> load_own_node(const Call& call, const std::string& id, const StateReader& state) {
  std::optional<pb::Node> node = load_node(state, id);
  if (!node) return make_error(Code::NotFound, "there is no node " + to_hex(BytesView(id).substr(0, 4)));
  auto farm = load<pb::Farm>(state, keys::farm(node->farm()));
  if (!farm || farm->owner() != call.sender.view()) {
    return make_error(Code::Denied, "node " + node->name() + ": only the owner of farm " + node->farm() +
                                        " drains and resumes it");
  }
  return *std::move(node);
}

}  // namespace

Status rejoin_node(const Call& call, const pb::RejoinNode& action, StateWriter& state) {
  pb::Node node = *load_node(state, call.sender.view());
  TRY(check_capacity(action.capacity()));
  TRY(check_addresses(action.addresses(), call.logic_version));
  if (node.state() != pb::NODE_FENCED) {
    return make_error(Code::Conflict, "node " + node.name() + " is not fenced");
  }
  if (node.epoch() != action.node_epoch()) {
    return make_error(Code::Conflict, "node " + node.name() + " has epoch " + std::to_string(node.epoch()) + ", not " +
                                          std::to_string(action.node_epoch()));
  }
  *node.mutable_capacity() = action.capacity();
  *node.mutable_addresses() = action.addresses();
  node.set_state(pb::NODE_ONLINE);
  node.set_held(false);
  change_epoch(state, node);
  store(state, keys::node(call.sender), node);
  if (call.logic_version >= kLogicNetworks) {
    refresh_relay(state, node, call.height);
    refresh_guest(state, node, call.height);
  }
  forget_loss(state, node);
  revise_contracts(state, call.sender);
  agenda::something_freed(state);
  return {};
}

Status drain_node(const Call& call, const pb::DrainNode& action, StateWriter& state) {
  pb::Node node = TRY(load_own_node(call, action.node(), state));
  if (node.draining() && !node.held()) {
    return make_error(Code::AlreadyExists, "node " + node.name() + " is draining already");
  }
  node.set_draining(true);
  node.set_held(false);  // the owner says it does not come back soon: what may move, moves
  store(state, keys::node(node_id_of(node)), node);
  mark_contracts(state, node_id_of(node));
  return {};
}

Status resume_node(const Call& call, const pb::ResumeNode& action, StateWriter& state) {
  pb::Node node = TRY(load_own_node(call, action.node(), state));
  if (!node.draining()) return make_error(Code::Conflict, "node " + node.name() + " is not draining");
  node.set_draining(false);
  store(state, keys::node(node_id_of(node)), node);
  mark_contracts(state, node_id_of(node));
  agenda::something_freed(state);
  return {};
}

}  // namespace mcloud::ledger
