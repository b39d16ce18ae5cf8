#include <nlohmann/json.hpp>
#include <set>

#include "ledger/client/client.h"
#include "wire/json.h"

namespace mcloud::ledger {
namespace {

constexpr size_t kValidatorsMax = 1000;
constexpr uint64_t kPowerMax = uint64_t{1} << 40;

Error invalid(std::string_view why) { return make_error(Code::Invalid, "trust: " + std::string(why)); }

}  // namespace

Result<Trust> Trust::parse(std::string_view text) {
  nlohmann::json json = TRY(wire::parse_json(text, 1 << 20, 8).with_context("trust"));
  Trust trust;
  trust.chain_id = TRY(wire::json_string(json, "chain_id").with_context("trust"));
  if (trust.chain_id.empty() || trust.chain_id.size() > 64) return invalid("chain_id has not 1 to 64 characters");
  const nlohmann::json& validators = *TRY(wire::json_array(json, "validators").with_context("trust"));
  if (validators.empty() || validators.size() > kValidatorsMax) return invalid("there are not 1 to 1000 validators");
  std::set<Bytes> seen;
  for (const nlohmann::json& entry : validators) {
    pb::Validator validator;
    std::string hex = TRY(wire::json_string(entry, "key").with_context("trust: validator"));
    PublicKey key = TRY(PublicKey::from_hex(hex).with_context("trust: validator"));
    validator.set_key(key.bytes());
    validator.set_power(TRY(wire::json_u64(entry, "power").with_context("trust: validator")));
    if (validator.power() == 0 || validator.power() > kPowerMax) return invalid("a validator's power is not 1 to 2^40");
    if (!seen.insert(validator.key()).second) return invalid("validator " + key.hex() + " is named twice");
    trust.validators.push_back(std::move(validator));
  }
  return trust;
}

std::string Trust::to_json() const {
  nlohmann::json list = nlohmann::json::array();
  for (const pb::Validator& validator : validators) {
    list.push_back({{"key", to_hex(validator.key())}, {"power", validator.power()}});
  }
  nlohmann::json json = {{"chain_id", chain_id}, {"validators", std::move(list)}};
  return wire::json_text(json, 2) + "\n";
}

}  // namespace mcloud::ledger
