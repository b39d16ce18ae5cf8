#include "crypto/sign.h"
#include "ledger/state/call.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"
#include "ledger/state/statements.h"

namespace mcloud::ledger {

Status register_identity(const Call& call, const pb::RegisterIdentity& action, StateWriter& state) {
  TRY(check_name("identity name", action.name()));
  PublicKey key = TRY(PublicKey::from_bytes(action.key()));
  if (exists(state, keys::identity(key))) {
    return make_error(Code::AlreadyExists, "identity " + key.short_hex() + " is registered already");
  }
  if (exists(state, keys::node(key))) {
    return make_error(Code::Conflict, "key " + key.short_hex() + " belongs to a node: a person needs an own key");
  }
  if (exists(state, keys::identity_name(action.name()))) {
    return make_error(Code::AlreadyExists, "identity name " + action.name() + " is taken");
  }
  Bytes statement = identity_statement(call.chain_id(), call.sender, action.name());
  if (!crypto::verify(key, kIdentityDomain, statement, action.proof())) {
    return make_error(Code::Denied, "proof: the new key did not sign chain, sponsor and name");
  }
  pb::Identity identity;
  identity.set_key(key.bytes());
  identity.set_name(action.name());
  identity.set_sponsor(call.sender.bytes());
  identity.set_since_ms(call.time_ms);
  store(state, keys::identity(key), identity);
  state.put(keys::identity_name(action.name()), key.bytes());
  return {};
}

}  // namespace mcloud::ledger
