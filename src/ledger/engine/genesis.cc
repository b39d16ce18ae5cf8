#include "ledger/engine/genesis.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/box.h"
#include "io/file.h"
#include "ledger/state/machine.h"
#include "wire/json.h"

namespace mcloud::ledger {
namespace {

using nlohmann::json;

constexpr std::string_view kGenesisFile = "/genesis.json";
constexpr std::string_view kKeyFile = "/validator.key";

json parameters_to_json(const pb::Parameters& parameters) {
  json governors = json::array();
  for (const std::string& key : parameters.governors()) governors.push_back(to_hex(key));
  return {{"fence_after_ms", parameters.fence_after_ms()}, {"mass_loss_window_ms", parameters.mass_loss_window_ms()},
          {"tries_max", parameters.tries_max()},           {"exclusion_ms", parameters.exclusion_ms()},
          {"logic_version", parameters.logic_version()},   {"governors", std::move(governors)}};
}

Result<pb::Parameters> parse_parameters(const json& object) {
  pb::Parameters parameters;
  parameters.set_fence_after_ms(TRY(wire::json_u64(object, "fence_after_ms")));
  parameters.set_mass_loss_window_ms(TRY(wire::json_u64(object, "mass_loss_window_ms")));
  uint64_t tries = TRY(wire::json_u64(object, "tries_max"));
  if (tries > UINT32_MAX) return make_error(Code::Invalid, "tries_max is larger than 2^32 - 1");
  parameters.set_tries_max(static_cast<uint32_t>(tries));
  parameters.set_exclusion_ms(TRY(wire::json_u64(object, "exclusion_ms")));
  parameters.set_logic_version(TRY(wire::json_u64(object, "logic_version")));
  for (const json& governor : *TRY(wire::json_array(object, "governors"))) {
    if (!governor.is_string()) return make_error(Code::Invalid, "a governor is not a string");
    PublicKey key = TRY(PublicKey::from_hex(governor.get_ref<const std::string&>()));
    parameters.add_governors(key.bytes());
  }
  return parameters;
}

Result<pb::Identity> parse_member(const json& object, uint64_t since_ms) {
  pb::Identity identity;
  std::string hex = TRY(wire::json_string(object, "key"));
  PublicKey key = TRY(PublicKey::from_hex(hex));
  identity.set_key(key.bytes());
  identity.set_name(TRY(wire::json_string(object, "name")));
  identity.set_since_ms(since_ms);
  return identity;
}

// Refuses a genesis before anything is written.
Status try_genesis(const pb::Genesis& genesis) {
  MemoryState scratch;
  return initialize_state(genesis, scratch).with_context("genesis");
}

}  // namespace

pb::Parameters default_parameters(const std::vector<GenesisMember>& members) {
  pb::Parameters parameters;
  parameters.set_fence_after_ms(5'000);
  parameters.set_mass_loss_window_ms(10'000);
  parameters.set_tries_max(5);
  parameters.set_exclusion_ms(30'000);
  parameters.set_logic_version(kLogicVersion);
  std::vector<PublicKey> governors;
  for (const GenesisMember& member : members) governors.push_back(member.key);
  std::sort(governors.begin(), governors.end());
  for (const PublicKey& key : governors) parameters.add_governors(key.bytes());
  return parameters;
}

std::string genesis_to_json(const pb::Genesis& genesis) {
  json validators = json::array();
  for (const pb::Validator& validator : genesis.validators()) {
    validators.push_back({{"key", to_hex(validator.key())}, {"power", validator.power()}});
  }
  json members = json::array();
  for (const pb::Identity& member : genesis.members()) {
    members.push_back({{"key", to_hex(member.key())}, {"name", member.name()}});
  }
  json object = {{"chain_id", genesis.chain_id()},
                 {"time_ms", genesis.time_ms()},
                 {"validators", std::move(validators)},
                 {"members", std::move(members)},
                 {"parameters", parameters_to_json(genesis.parameters())}};
  return wire::json_text(object, 2) + "\n";
}

Result<pb::Genesis> parse_genesis(std::string_view text) {
  Trust trust = TRY(Trust::parse(text));
  json object = TRY(wire::parse_json(text));
  pb::Genesis genesis;
  genesis.set_chain_id(trust.chain_id);
  genesis.set_time_ms(TRY(wire::json_u64(object, "time_ms")));
  for (const pb::Validator& validator : trust.validators) *genesis.add_validators() = validator;
  for (const json& member : *TRY(wire::json_array(object, "members"))) {
    *genesis.add_members() = TRY(parse_member(member, genesis.time_ms()));
  }
  const json* parameters = TRY(wire::json_object(object, "parameters"));
  *genesis.mutable_parameters() = TRY(parse_parameters(*parameters));
  return genesis;
}

Result<Trust> init_ledger(const std::string& folder, const std::string& chain_id,
                          const std::vector<GenesisMember>& members, const pb::Parameters& parameters,
                          const Clock& clock) {
  std::string genesis_path = folder + std::string(kGenesisFile);
  if (io::exists(genesis_path)) return make_error(Code::AlreadyExists, folder + " holds a ledger already");
  crypto::SigningKey validator = crypto::SigningKey::generate();
  pb::Genesis genesis;
  genesis.set_chain_id(chain_id);
  genesis.set_time_ms(clock.wall_ms());
  pb::Validator& entry = *genesis.add_validators();
  entry.set_key(validator.public_key().bytes());
  entry.set_power(1);
  for (const GenesisMember& member : members) {
    pb::Identity& identity = *genesis.add_members();
    identity.set_key(member.key.bytes());
    identity.set_name(member.name);
    identity.set_since_ms(genesis.time_ms());
  }
  *genesis.mutable_parameters() = parameters;
  TRY(try_genesis(genesis));

  TRY(io::make_folders(folder, 0700));
  Bytes seed = to_hex(validator.seed()) + "\n";
  Status written = io::write_file(folder + std::string(kKeyFile), seed, io::Durability::Fsync, 0600);
  crypto::wipe(seed);
  TRY(std::move(written));
  // Last, because its presence says that the folder is complete.
  TRY(io::write_file(genesis_path, genesis_to_json(genesis), io::Durability::Fsync, 0644));
  return Trust{chain_id, {genesis.validators().begin(), genesis.validators().end()}};
}

Result<LedgerFolder> load_ledger_folder(const std::string& folder) {
  std::string path = folder + std::string(kGenesisFile);
  if (!io::exists(path)) {
    return make_error(Code::NotFound, folder + " holds no ledger: make one with `mcloud ledger init`");
  }
  Bytes text = TRY(io::read_file(path, 4 << 20));
  pb::Genesis genesis = TRY(parse_genesis(text).with_context(path));
  Bytes key_text = TRY(io::read_file(folder + std::string(kKeyFile), 1024));
  while (key_text.ends_with('\n')) key_text.pop_back();
  Bytes seed = TRY(from_hex(key_text).with_context(folder + std::string(kKeyFile)));
  Result<crypto::SigningKey> key = crypto::SigningKey::from_seed(seed);
  crypto::wipe(seed);
  crypto::wipe(key_text);
  if (!key.has_value()) return key.error().with_context(folder + std::string(kKeyFile));
  Trust trust{genesis.chain_id(), {genesis.validators().begin(), genesis.validators().end()}};
  // The solo engine signs alone: its key must be the one validator.
  if (trust.validators.size() != 1 || trust.validators[0].key() != key->public_key().view()) {
    return make_error(Code::Invalid, path + ": the solo engine needs exactly one validator, the key in validator.key");
  }
  return LedgerFolder{std::move(genesis), std::move(trust), std::move(*key)};
}

}  // namespace mcloud::ledger
