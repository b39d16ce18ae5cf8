#include <algorithm>
#include <set>

#include "ledger/state/machine.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"

namespace mcloud::ledger {
namespace {

constexpr int kValidatorsMax = 256;
constexpr uint64_t kPowerMax = 1ull << 40;

Status invalid(std::string message) { return make_error(Code::Invalid, "genesis: " + std::move(message)); }

Status check_validators(const pb::Genesis& genesis) {
  if (genesis.validators().empty() || genesis.validators_size() > kValidatorsMax) {
    return invalid("there are " + std::to_string(genesis.validators_size()) + " validators, allowed: 1 to " +
                   std::to_string(kValidatorsMax));
  }
  std::set<Bytes> seen;
  for (const pb::Validator& validator : genesis.validators()) {
    if (!PublicKey::from_bytes(validator.key())) return invalid("a validator's key has 32 bytes");
    if (!seen.insert(validator.key()).second) return invalid("a validator is named twice");
    if (validator.power() == 0 || validator.power() > kPowerMax) return invalid("a validator's power is 1 to 2^40");
  }
  return {};
}

Status check_members(const pb::Genesis& genesis) {
  std::set<Bytes> keys;
  std::set<std::string> names;
  for (const pb::Identity& member : genesis.members()) {
    TRY(check_name("genesis: member name", member.name()));
    if (!PublicKey::from_bytes(member.key())) return invalid("member " + member.name() + ": a key has 32 bytes");
    if (!keys.insert(member.key()).second) return invalid("the key of " + member.name() + " is there twice");
    if (!names.insert(member.name()).second) return invalid("member name " + member.name() + " is there twice");
    if (!member.sponsor().empty()) return invalid("member " + member.name() + " has a sponsor: members have none");
  }
  if (keys.empty()) return invalid("there are no members, so nobody could ever register anybody");
  for (const std::string& governor : genesis.parameters().governors()) {
    if (!keys.contains(governor)) return invalid("a governor is no member");
  }
  return {};
}

}  // namespace

Status initialize_state(const pb::Genesis& genesis, StateWriter& state) {
  TRY(check_chain_id(genesis.chain_id()).with_context("genesis"));
  TRY(check_validators(genesis));
  TRY(check_parameters(genesis.parameters()).with_context("genesis: parameters"));
  TRY(check_members(genesis));
  if (genesis.parameters().logic_version() > kLogicVersion) {
    return make_error(Code::Unsupported, "genesis: logic_version " +
                                             std::to_string(genesis.parameters().logic_version()) +
                                             ", this binary knows up to " + std::to_string(kLogicVersion));
  }
  pb::ValidatorSet validators;
  *validators.mutable_validators() = genesis.validators();
  std::sort(validators.mutable_validators()->begin(), validators.mutable_validators()->end(),
            [](const pb::Validator& a, const pb::Validator& b) { return a.key() < b.key(); });
  store(state, keys::validators(), validators);
  store(state, keys::parameters(), genesis.parameters());
  for (pb::Identity member : genesis.members()) {
    member.set_since_ms(genesis.time_ms());
    PublicKey key = key_of(member.key());
    store(state, keys::identity(key), member);
    state.put(keys::identity_name(member.name()), key.bytes());
  }
  return {};
}

}  // namespace mcloud::ledger
