#include "wallet/wallet.h"

#include <sys/stat.h>

#include <cstdlib>

#include "contract/syntax.h"
#include "io/file.h"
#include "wallet/words.h"

namespace mcloud::wallet {
namespace {

constexpr std::string_view kSuffix = ".json";
constexpr size_t kFileBytesMax = 4096;

Result<KeyFile> load(const std::string& path) {
  struct stat facts{};
  if (lstat(path.c_str(), &facts) != 0) return errno_error(errno, path);
  if (!S_ISREG(facts.st_mode)) return make_error(Code::Denied, path + " is not a plain file");
  if ((facts.st_mode & 077) != 0) {
    return make_error(Code::Denied, path + " can be read by others; run: chmod 600 '" + path + "'");
  }
  std::string text = TRY(io::read_file(path, kFileBytesMax));
  return KeyFile::parse(text).with_context(path);
}

KeyInfo info_of(const KeyFile& file, const std::string& path) {
  return {file.name, file.public_key, file.has_passphrase, path};
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string default_key_folder() {
  if (std::string home = environment("MCLOUD_HOME"); !home.empty()) return home + "/keys";
  if (std::string config = environment("XDG_CONFIG_HOME"); !config.empty()) return config + "/mcloud/keys";
  std::string home = environment("HOME");
  return (home.empty() ? "/root" : home) + "/.config/mcloud/keys";
}

Wallet::Wallet(std::vector<std::string> folders, PassphraseSource& passphrases)
    : folders_(std::move(folders)), passphrases_(passphrases) {}

Result<std::vector<KeyInfo>> Wallet::list() const {
  std::map<std::string, KeyInfo> found;
  for (const std::string& folder : folders_) {
    Result<std::vector<std::string>> names = io::list_folder(folder);
    if (!names && names.error().code == Code::NotFound) continue;
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (!name.ends_with(kSuffix)) continue;
      std::string path = folder + "/" + name;
      KeyFile file = TRY(load(path));
      if (file.name + std::string(kSuffix) != name) {
        return make_error(Code::Corrupt, path + " holds the key " + file.name + ": rename the file back");
      }
      found.try_emplace(file.name, info_of(file, path));
    }
  }
  std::vector<KeyInfo> keys;
  for (auto& [name, info] : found) keys.push_back(std::move(info));
  return keys;
}

Result<KeyInfo> Wallet::find(std::string_view name_or_key) const {
  std::string joined;
  std::vector<std::string> names;
  for (const KeyInfo& info : TRY(list())) {
    if (info.name == name_or_key || info.public_key.hex() == name_or_key) return info;
    names.push_back(info.name);
    joined += (joined.empty() ? "" : ", ") + info.name;
  }
  std::string nearest = contract::nearest_spelling(name_or_key, names);
  std::string hint = "make one: mcloud key new NAME";
  if (!names.empty()) hint = "there are: " + joined;
  if (!nearest.empty()) hint = "did you mean \"" + nearest + "\"?";
  return make_error(Code::NotFound, "no key \"" + contract::shortened(name_or_key, 64) + "\" here; " + hint);
}

std::string Wallet::path_of(const std::string& name) const { return folders_[0] + "/" + name + std::string(kSuffix); }

Status Wallet::check_free(const std::string& name) const {
  TRY(check_new_name(name));
  if (folders_.empty()) return make_error(Code::Invalid, "this wallet has no folder for new keys");
  if (!io::exists(path_of(name))) return {};
  return make_error(Code::AlreadyExists,
                    "key " + name + " is there already: " + path_of(name) + "; choose another name, or move that file");
}

Result<KeyInfo> Wallet::create(const std::string& name, Passphrase passphrase) {
  return store(name, crypto::SigningKey::generate(), passphrase);
}

Result<KeyInfo> Wallet::restore(const std::string& name, std::string_view words, Passphrase passphrase) {
  Bytes seed = TRY(seed_of_words(words));
  Result<crypto::SigningKey> key = crypto::SigningKey::from_seed(seed);
  crypto::wipe(seed);
  if (!key) return key.error();
  return store(name, *key, passphrase);
}

Result<KeyInfo> Wallet::store(const std::string& name, const crypto::SigningKey& key, Passphrase passphrase) {
  TRY(check_free(name));
  TRY(io::make_folders(folders_[0], 0700));
  io::Fd lock = TRY(io::lock_file(folders_[0] + "/.lock"));
  TRY(check_free(name));
  for (const KeyInfo& other : TRY(Wallet({folders_[0]}, passphrases_).list())) {
    if (other.public_key != key.public_key()) continue;
    return make_error(Code::AlreadyExists, "this key is here already, as " + other.name + ": " + other.path);
  }
  Protection protection;
  if (passphrase == Passphrase::Ask) protection.passphrase = TRY(passphrases_.fresh(name));
  Result<KeyFile> file = protect(name, key, protection);
  crypto::wipe(protection.passphrase);
  if (!file) return file.error();
  TRY(io::write_file(path_of(name), file->to_json(), io::Durability::Fsync, 0600));
  unlocked_.emplace(key.public_key(), key);
  return info_of(*file, path_of(name));
}

Result<crypto::SigningKey> Wallet::unlock(std::string_view name_or_key) {
  KeyInfo info = TRY(find(name_or_key));
  if (auto known = unlocked_.find(info.public_key); known != unlocked_.end()) return known->second;
  KeyFile file = TRY(load(info.path));
  std::string passphrase;
  if (file.has_passphrase) passphrase = TRY(passphrases_.existing(file.name));
  Result<crypto::SigningKey> key = wallet::unlock(file, passphrase);
  crypto::wipe(passphrase);
  if (key) unlocked_.emplace(key->public_key(), *key);
  return key;
}

Result<std::string> Wallet::backup_words(std::string_view name_or_key) {
  crypto::SigningKey key = TRY(unlock(name_or_key));
  return words_of_seed(key.seed());
}

}  // namespace mcloud::wallet
