#include <algorithm>

#include "crypto/sign.h"
#include "ledger/state/agenda.h"
#include "ledger/state/call.h"
#include "ledger/state/logic.h"
#include "ledger/state/mesh.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"
#include "ledger/state/statements.h"
#include "wire/canonical.h"

namespace mcloud::ledger {
namespace {

constexpr uint64_t kTokenLifeMax = 366ull * 86'400'000;  // a used nonce is remembered that long at most
constexpr size_t kTokenNonceSize = 16;
constexpr int kFarmNodesMax = 10'000;

Status check_token_life(const Call& call, uint64_t expires_ms) {
  if (expires_ms <= call.time_ms) return make_error(Code::Denied, "join token: it has expired");
  if (expires_ms - call.time_ms <= kTokenLifeMax) return {};
  return make_error(Code::Invalid, "join token: expires more than 366 days from now");
}

// It can never be used (again); forgotten once it would be expired anyway.
void use_up(StateWriter& state, const std::string& farm, const std::string& nonce, uint64_t expires_ms) {
  Bytes key = keys::token(farm, nonce);
  store_number(state, key, expires_ms);
  state.put(keys::token_expiry(expires_ms, key), "");
}

Result<pb::JoinToken> check_token(const Call& call, const pb::SignedJoinToken& signed_token, const StateReader& state) {
  auto token = TRY(wire::decode<pb::JoinToken>(signed_token.token(), "join token", 1024));
  if (token.chain_id() != call.chain_id()) {
    return make_error(Code::Denied, "join token: it is for another ledger than " + call.chain_id());
  }
  if (token.nonce().size() != kTokenNonceSize) return make_error(Code::Invalid, "join token: a nonce has 16 bytes");
  TRY(check_token_life(call, token.expires_ms()));
  auto farm = load<pb::Farm>(state, keys::farm(token.farm()));
  if (!farm) return make_error(Code::NotFound, "join token: there is no farm " + token.farm());
  if (farm->owner() != signed_token.signer()) {
    return make_error(Code::Denied, "join token: its signer does not own farm " + token.farm());
  }
  if (!crypto::verify(key_of(farm->owner()), kJoinTokenDomain, signed_token.token(), signed_token.signature())) {
    return make_error(Code::Denied, "join token: the signature is wrong");
  }
  if (exists(state, keys::token(token.farm(), token.nonce()))) {
    return make_error(Code::Denied, "join token: it was used or revoked already; each admits one node");
  }
  return token;
}

Status check_new_node(const Call& call, const pb::AdmitNode& action, const StateReader& state) {
  TRY(check_name("node name", action.name()));
  TRY(check_capacity(action.capacity()));
  TRY(check_labels(action.labels()));
  TRY(check_addresses(action.addresses(), call.logic_version));
  if (exists(state, keys::node(call.sender))) {
    return make_error(Code::AlreadyExists, "node " + call.sender.short_hex() + " is admitted already");
  }
  if (exists(state, keys::identity(call.sender))) {
    return make_error(Code::Conflict, "key " + call.sender.short_hex() + " belongs to a person: a node needs an own key");
  }
  return {};
}

}  // namespace

Status create_farm(const Call& call, const pb::CreateFarm& action, StateWriter& state) {
  TRY(check_name("farm name", action.name()));
  TRY(check_country(action.country()));
  if (exists(state, keys::farm(action.name()))) {
    return make_error(Code::AlreadyExists, "farm name " + action.name() + " is taken");
  }
  pb::Farm farm;
  farm.set_name(action.name());
  farm.set_owner(call.sender.bytes());
  farm.set_country(action.country());
  farm.set_since_ms(call.time_ms);
  store(state, keys::farm(action.name()), farm);
  return {};
}

Status admit_node(const Call& call, const pb::AdmitNode& action, StateWriter& state) {
  TRY(check_new_node(call, action, state));
  pb::JoinToken token = TRY(check_token(call, action.token(), state));
  if (exists(state, keys::node_name(token.farm(), action.name()))) {
    return make_error(Code::AlreadyExists, "node name " + action.name() + " is taken in farm " + token.farm());
  }
  pb::Farm farm = *load<pb::Farm>(state, keys::farm(token.farm()));
  if (farm.nodes_size() >= kFarmNodesMax) {
    return make_error(Code::Exhausted, "farm " + farm.name() + " has " + std::to_string(kFarmNodesMax) +
                                           " nodes, which is the most a farm may have");
  }
  use_up(state, token.farm(), token.nonce(), token.expires_ms());

  pb::Node node;
  node.set_key(call.sender.bytes());
  node.set_name(action.name());
  node.set_farm(farm.name());
  node.set_country(farm.country());
  *node.mutable_capacity() = action.capacity();
  node.mutable_used();
  *node.mutable_labels() = action.labels();
  *node.mutable_addresses() = action.addresses();
  node.set_state(pb::NODE_ONLINE);
  node.set_epoch(1);
  node.set_since_ms(call.time_ms);
  if (call.logic_version >= kLogicNetworks) give_number(state, node);
  store(state, keys::node(call.sender), node);
  state.put(keys::node_name(farm.name(), node.name()), node.key());

  farm.add_nodes(node.key());
  std::sort(farm.mutable_nodes()->begin(), farm.mutable_nodes()->end());
  store(state, keys::farm(farm.name()), farm);

  pb::Assignment assignment;
  assignment.set_node(node.key());
  assignment.set_node_epoch(node.epoch());
  store(state, keys::assignment(call.sender), assignment);
  agenda::something_freed(state);
  return {};
}

Status revoke_token(const Call& call, const pb::RevokeToken& action, StateWriter& state) {
  if (action.nonce().size() != kTokenNonceSize) return make_error(Code::Invalid, "join token: a nonce has 16 bytes");
  auto farm = load<pb::Farm>(state, keys::farm(action.farm()));
  if (!farm) return make_error(Code::NotFound, "there is no farm " + action.farm());
  if (farm->owner() != call.sender.view()) {
    return make_error(Code::Denied, "only the owner of farm " + action.farm() + " revokes its join tokens");
  }
  TRY(check_token_life(call, action.expires_ms()));
  if (exists(state, keys::token(action.farm(), action.nonce()))) {
    return make_error(Code::AlreadyExists, "join token: it was used or revoked already");
  }
  use_up(state, action.farm(), action.nonce(), action.expires_ms());
  return {};
}

}  // namespace mcloud::ledger
