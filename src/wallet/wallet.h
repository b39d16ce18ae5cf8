// The keys of the people at this machine: files in one or more folders, unlocked when needed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "wallet/key_file.h"
#include "wallet/passphrase.h"

namespace mcloud::wallet {

struct KeyInfo {
  std::string name;
  PublicKey public_key;
  bool has_passphrase = false;
  std::string path;  // of its file
};

// $MCLOUD_HOME/keys, else $XDG_CONFIG_HOME/mcloud/keys, else ~/.config/mcloud/keys.
std::string default_key_folder();

// Folders are created 0700 and files 0600; a file that others may read is refused (Denied says the chmod).
// Not thread-safe. Unlocked keys are kept, and wiped with the wallet.
class Wallet {
 public:
  // New keys go to the first folder; a name in an earlier folder hides the same in a later one.
  // A folder that is not there holds no keys. `passphrases` must outlive the wallet.
  Wallet(std::vector<std::string> folders, PassphraseSource& passphrases);

  // Sorted by name. Damaged files are an error that names the file.
  Result<std::vector<KeyInfo>> list() const;
  // By name or by public key in hex. NotFound suggests the nearest name, else lists the names that are there.
  Result<KeyInfo> find(std::string_view name_or_key) const;

  enum class Passphrase { Ask, None };
  // Could a new key get this name? Invalid or AlreadyExists, before anybody types a passphrase or words.
  Status check_free(const std::string& name) const;
  // AlreadyExists when the first folder has the name, or the same key under another one. The file is on disk (fsync)
  // when this returns.
  Result<KeyInfo> create(const std::string& name, Passphrase passphrase);
  Result<KeyInfo> restore(const std::string& name, std::string_view words, Passphrase passphrase);

  // Asks for the passphrase once per key and wallet.
  Result<crypto::SigningKey> unlock(std::string_view name_or_key);
  // wallet/words.h; a secret as good as the key itself.
  Result<std::string> backup_words(std::string_view name_or_key);

 private:
  std::string path_of(const std::string& name) const;
  Result<KeyInfo> store(const std::string& name, const crypto::SigningKey& key, Passphrase passphrase);

  std::vector<std::string> folders_;
  PassphraseSource& passphrases_;
  std::map<PublicKey, crypto::SigningKey> unlocked_;
};

}  // namespace mcloud::wallet
