// The join tokens that were made on this machine, so that they can be listed and revoked. The ledger hears of a token
// only when a node shows it.
//
// One file per token, NONCE.json, mode 0600, in a folder of mode 0700; never the signature, so nobody joins with it:
//   {"format":1,"chain_id":"...","farm":"barn","nonce":HEX16,"expires_ms":N}
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::wallet {

// Beside the folder of the keys: $MCLOUD_HOME/tokens, else $XDG_CONFIG_HOME/mcloud/tokens, else
// ~/.config/mcloud/tokens.
std::string default_token_folder();

// What people call a token: the first 8 hex digits of its nonce.
std::string token_id(const pb::JoinToken& token);

class TokenBook {
 public:
  explicit TokenBook(std::string folder) : folder_(std::move(folder)) {}

  // Durable when it returns. Forgets those that expired a day before `now_ms`.
  Status add(const pb::JoinToken& token, uint64_t now_ms);
  // Those of one chain, by expiry. A folder that is not there holds none; a damaged file is an error that names it.
  Result<std::vector<pb::JoinToken>> list(std::string_view chain_id) const;

 private:
  Result<std::vector<std::string>> paths() const;
  std::string folder_;
};

}  // namespace mcloud::wallet
