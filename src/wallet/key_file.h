// One key as a file: the public half in clear, the seed in a secret box under a passphrase
// (Argon2id) or, when its owner said so, in clear. Pure: bytes in, bytes out.
//
// JSON, format 1:
//   {"format":1,"name":"ida","public_key":HEX32,
//    "protection":"passphrase","cost":"moderate","salt":HEX16,"box":HEX}     encrypted seed
//   {"format":1,"name":"ida","public_key":HEX32,"protection":"none","seed":HEX32}
// The box's associated data is "mcloud/key-file|" and the public key, so that a box copied to another
// file opens nothing.
#pragma once

#include <string>

#include "crypto/box.h"
#include "crypto/sign.h"

namespace mcloud::wallet {

struct KeyFile {
  std::string name;
  PublicKey public_key;
  bool has_passphrase = false;
  crypto::PassphraseCost cost = crypto::PassphraseCost::Moderate;
  Bytes salt;  // 16 bytes, with a passphrase
  Bytes box;   // encrypted seed, with a passphrase
  Bytes seed;  // 32 bytes, without

  // Corrupt names what is wrong; unknown members are refused.
  static Result<KeyFile> parse(std::string_view json);
  std::string to_json() const;
};

struct Protection {
  std::string passphrase;  // "" = none: the seed is stored in clear
  crypto::PassphraseCost cost = crypto::PassphraseCost::Moderate;
};

// [a-z][a-z0-9-]{1,31}: what the ledger takes as an identity's name. Invalid says so.
Status check_name(std::string_view name);
// The same for a new key: also refuses "owner", which in contract files means whoever applies them.
Status check_new_name(std::string_view name);

Result<KeyFile> protect(const std::string& name, const crypto::SigningKey& key, const Protection& protection);
// Denied for a wrong passphrase, Corrupt when the opened seed belongs to another public key.
// `passphrase` is not looked at when the file has none.
Result<crypto::SigningKey> unlock(const KeyFile& file, std::string_view passphrase);

}  // namespace mcloud::wallet
