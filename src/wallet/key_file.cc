#include "wallet/key_file.h"

#include <nlohmann/json.hpp>
#include <set>

#include "wire/json.h"

namespace mcloud::wallet {
namespace {

using Json = nlohmann::json;
constexpr size_t kSaltSize = 16;
constexpr size_t kFileBytesMax = 4096;

Bytes associated_data(const PublicKey& key) { return "mcloud/key-file|" + key.bytes(); }

Error wrong(const std::string& why) { return make_error(Code::Invalid, why); }
Error damaged(const std::string& why) { return make_error(Code::Corrupt, "not a key file: " + why); }

Result<Bytes> hex_of(const Json& json, const char* member, size_t size) {
  std::string text = TRY(wire::json_string(json, member));
  Result<Bytes> bytes = from_hex(text);
  if (!bytes || (size != 0 && bytes->size() != size)) return wrong(std::string(member) + " is not the right hex text");
  return bytes;
}

Status check_members(const Json& json, const std::set<std::string>& allowed) {
  for (const auto& [member, value] : json.items()) {
    if (!allowed.contains(member)) return wrong("unknown member \"" + member.substr(0, 32) + "\"");
  }
  return {};
}

Status parse_protection(const Json& json, KeyFile& file) {
  std::string protection = TRY(wire::json_string(json, "protection"));
  if (protection == "none") {
    TRY(check_members(json, {"format", "name", "public_key", "protection", "seed"}));
    file.seed = TRY(hex_of(json, "seed", 32));
    return {};
  }
  if (protection != "passphrase") return wrong("protection is neither \"passphrase\" nor \"none\"");
  TRY(check_members(json, {"format", "name", "public_key", "protection", "cost", "salt", "box"}));
  file.has_passphrase = true;
  std::string cost = TRY(wire::json_string(json, "cost"));
  if (cost != "moderate" && cost != "interactive") return wrong("cost is neither \"moderate\" nor \"interactive\"");
  file.cost = cost == "moderate" ? crypto::PassphraseCost::Moderate : crypto::PassphraseCost::Interactive;
  file.salt = TRY(hex_of(json, "salt", kSaltSize));
  file.box = TRY(hex_of(json, "box", 0));
  return {};
}

Result<KeyFile> parse_file(std::string_view text) {
  Json json = TRY(wire::parse_json(text, kFileBytesMax));
  if (!json.is_object()) return wrong("no JSON object");
  if (TRY(wire::json_u64(json, "format")) != 1) return wrong("format is not 1");
  KeyFile file;
  file.name = TRY(wire::json_string(json, "name"));
  TRY(check_name(file.name));
  Bytes public_key = TRY(hex_of(json, "public_key", 32));
  file.public_key = TRY(PublicKey::from_bytes(public_key));
  TRY(parse_protection(json, file));
  return file;
}

}  // namespace

Status check_name(std::string_view name) {
  auto is_lower = [](char letter) { return letter >= 'a' && letter <= 'z'; };
  bool good = name.size() >= 2 && name.size() <= 32 && is_lower(name[0]);
  for (char letter : name) good = good && (is_lower(letter) || (letter >= '0' && letter <= '9') || letter == '-');
  if (good) return {};
  return make_error(Code::Invalid, "\"" + std::string(name.substr(0, 40)) +
                                       "\" is no name: 2 to 32 of a-z, 0-9 and '-', starting with a letter");
}

Status check_new_name(std::string_view name) {
  TRY(check_name(name));
  if (name != "owner") return {};
  return make_error(Code::Invalid,
                    "\"owner\" is reserved: in a contract it means whoever applies it; choose another name");
}

Result<KeyFile> KeyFile::parse(std::string_view text) {
  Result<KeyFile> file = parse_file(text);
  if (!file) return damaged(file.error().message);
  return file;
}

std::string KeyFile::to_json() const {
  nlohmann::ordered_json json;
  json["format"] = 1;
  json["name"] = name;
  json["public_key"] = public_key.hex();
  if (has_passphrase) {
    json["protection"] = "passphrase";
    json["cost"] = cost == crypto::PassphraseCost::Moderate ? "moderate" : "interactive";
    json["salt"] = to_hex(salt);
    json["box"] = to_hex(box);
  } else {
    json["protection"] = "none";
    json["seed"] = to_hex(seed);
  }
  return json.dump(2) + "\n";
}

Result<KeyFile> protect(const std::string& name, const crypto::SigningKey& key, const Protection& protection) {
  TRY(check_name(name));
  KeyFile file;
  file.name = name;
  file.public_key = key.public_key();
  if (protection.passphrase.empty()) {
    file.seed = Bytes(key.seed());
    return file;
  }
  file.has_passphrase = true;
  file.cost = protection.cost;
  file.salt = crypto::random_bytes(kSaltSize);
  Bytes secret = TRY(crypto::key_from_passphrase(protection.passphrase, file.salt, file.cost));
  file.box = crypto::encrypt(secret, associated_data(file.public_key), key.seed());
  crypto::wipe(secret);
  return file;
}

Result<crypto::SigningKey> unlock(const KeyFile& file, std::string_view passphrase) {
  Bytes seed = file.seed;
  if (file.has_passphrase) {
    Bytes secret = TRY(crypto::key_from_passphrase(passphrase, file.salt, file.cost));
    Result<Bytes> opened = crypto::decrypt(secret, associated_data(file.public_key), file.box);
    crypto::wipe(secret);
    if (!opened) {
      return make_error(Code::Denied, "wrong passphrase for key " + file.name + ", or its file was changed");
    }
    seed = std::move(*opened);
  }
  Result<crypto::SigningKey> key = crypto::SigningKey::from_seed(seed);
  crypto::wipe(seed);
  if (key && key->public_key() != file.public_key) {
    return make_error(Code::Corrupt, "key " + file.name + ": its file names another public key than its seed gives");
  }
  return key;
}

}  // namespace mcloud::wallet
