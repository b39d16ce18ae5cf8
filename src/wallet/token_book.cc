#include "wallet/token_book.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "io/file.h"
#include "wallet/wallet.h"
#include "wire/json.h"

namespace mcloud::wallet {
namespace {

constexpr size_t kFileBytesMax = 4096;
constexpr size_t kNonceSize = 16;
constexpr uint64_t kKeptAfterExpiryMs = 86'400'000;

std::string to_text(const pb::JoinToken& token) {
  nlohmann::ordered_json json = {{"format", 1},
                                 {"chain_id", token.chain_id()},
                                 {"farm", token.farm()},
                                 {"nonce", to_hex(token.nonce())},
                                 {"expires_ms", token.expires_ms()}};
  return json.dump(2) + "\n";
}

Result<pb::JoinToken> parse(std::string_view text) {
  nlohmann::json json = TRY(wire::parse_json(text, kFileBytesMax));
  if (!json.is_object() || TRY(wire::json_u64(json, "format")) != 1)
    return make_error(Code::Corrupt, "format is not 1");
  pb::JoinToken token;
  token.set_chain_id(TRY(wire::json_string(json, "chain_id")));
  token.set_farm(TRY(wire::json_string(json, "farm")));
  std::string nonce = TRY(wire::json_string(json, "nonce"));
  token.set_nonce(TRY(from_hex(nonce)));
  if (token.nonce().size() != kNonceSize) return make_error(Code::Corrupt, "nonce has not 16 bytes");
  token.set_expires_ms(TRY(wire::json_u64(json, "expires_ms")));
  return token;
}

Result<pb::JoinToken> load(const std::string& path) {
  std::string text = TRY(io::read_file(path, kFileBytesMax));
  Result<pb::JoinToken> token = parse(text);
  if (!token) return make_error(Code::Corrupt, path + ": " + token.error().message + "; remove the file to go on");
  return token;
}

}  // namespace

std::string default_token_folder() {
  std::string keys = default_key_folder();
  return keys.substr(0, keys.rfind('/')) + "/tokens";
}

std::string token_id(const pb::JoinToken& token) { return to_hex(token.nonce()).substr(0, 8); }

Result<std::vector<std::string>> TokenBook::paths() const {
  Result<std::vector<std::string>> names = io::list_folder(folder_);
  if (!names && names.error().code == Code::NotFound) return std::vector<std::string>();
  if (!names) return names.error();
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    if (name.ends_with(".json")) paths.push_back(folder_ + "/" + name);
  }
  return paths;
}

Status TokenBook::add(const pb::JoinToken& token, uint64_t now_ms) {
  TRY(io::make_folders(folder_, 0700));
  for (const std::string& path : TRY(paths())) {
    pb::JoinToken old = TRY(load(path));
    if (old.expires_ms() + kKeptAfterExpiryMs < now_ms) TRY(io::remove_tree(path));
  }
  return io::write_file(folder_ + "/" + to_hex(token.nonce()) + ".json", to_text(token), io::Durability::Fsync, 0600);
}

Result<std::vector<pb::JoinToken>> TokenBook::list(std::string_view chain_id) const {
  std::vector<pb::JoinToken> tokens;
  for (const std::string& path : TRY(paths())) {
    pb::JoinToken token = TRY(load(path));
    if (token.chain_id() == chain_id) tokens.push_back(std::move(token));
  }
  std::ranges::sort(tokens, {},
                    [](const pb::JoinToken& token) { return std::pair(token.expires_ms(), token.nonce()); });
  return tokens;
}

}  // namespace mcloud::wallet
