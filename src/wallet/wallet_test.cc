#include "wallet/wallet.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "testing/temporary_folder.h"
#include "wallet/words.h"

using namespace mcloud;
using namespace mcloud::wallet;
using Folder = mcloud::testing::TemporaryFolder;

namespace {

class Scripted final : public PassphraseSource {
 public:
  explicit Scripted(std::string answer) : answer_(std::move(answer)) {}
  Result<std::string> existing(const std::string&) override { return asked_++, answer_; }
  Result<std::string> fresh(const std::string&) override { return answer_; }
  void answer(std::string text) { answer_ = std::move(text); }
  int asked() const { return asked_; }

 private:
  std::string answer_;
  int asked_ = 0;
};

unsigned mode_of(const std::string& path) {
  struct stat facts{};
  REQUIRE_EQ(lstat(path.c_str(), &facts), 0);
  return facts.st_mode & 0777;
}

KeyFile quick_file(const crypto::SigningKey& key, const std::string& passphrase) {
  return protect("ida", key, {passphrase, crypto::PassphraseCost::Interactive}).value();
}

}  // namespace

TEST_CASE("a key is made, listed, found by name and key, and unlocked") {
  Folder folder;
  Scripted passphrases("correct horse");
  Wallet wallet({folder.path() + "/keys"}, passphrases);
  CHECK(wallet.list()->empty());
  KeyInfo made = wallet.create("ida", Wallet::Passphrase::Ask).value();
  CHECK(made.has_passphrase);
  CHECK_EQ(wallet.list()->size(), 1);
  CHECK_EQ(wallet.find("ida")->public_key, made.public_key);
  CHECK_EQ(wallet.find(made.public_key.hex())->name, "ida");
  Wallet later({folder.path() + "/keys"}, passphrases);
  CHECK_EQ(later.unlock("ida")->public_key(), made.public_key);
  CHECK_EQ(later.unlock("ida")->public_key(), made.public_key);
  CHECK_EQ(passphrases.asked(), 1);  // kept for the wallet's life
}

TEST_CASE("the folder and the files are for their owner only") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path() + "/keys"}, passphrases);
  KeyInfo made = wallet.create("ida", Wallet::Passphrase::None).value();
  CHECK_EQ(mode_of(folder.path() + "/keys"), 0700);
  CHECK_EQ(mode_of(made.path), 0600);
}

TEST_CASE("a key file that others may read is refused with the remedy") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  KeyInfo made = wallet.create("ida", Wallet::Passphrase::None).value();
  REQUIRE_EQ(chmod(made.path.c_str(), 0640), 0);
  Result<crypto::SigningKey> key = wallet.unlock("ida");
  REQUIRE_FALSE(key.has_value());
  CHECK_EQ(key.error().code, Code::Denied);
  CHECK_NE(key.error().message.find("chmod 600"), std::string::npos);
}

TEST_CASE("a name that is taken is refused and the old key stays") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  PublicKey first = wallet.create("ida", Wallet::Passphrase::None)->public_key;
  CHECK_EQ(wallet.create("ida", Wallet::Passphrase::None).error().code, Code::AlreadyExists);
  CHECK_EQ(wallet.find("ida")->public_key, first);
}

TEST_CASE("names that leave the folder or are not the ledger's are refused") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  for (const char* name : {"", "a", "../ida", "Ida", "1da", "ida.json", "a/b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    CHECK_EQ(wallet.create(name, Wallet::Passphrase::None).error().code, Code::Invalid);
  }
}

TEST_CASE("a missing key is answered with those that are there") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  CHECK_NE(wallet.find("bob").error().message.find("mcloud key new"), std::string::npos);
  (void)wallet.create("ida", Wallet::Passphrase::None);
  CHECK_EQ(wallet.find("bob").error().code, Code::NotFound);
  CHECK_NE(wallet.find("bob").error().message.find("ida"), std::string::npos);
}

TEST_CASE("a name in an earlier folder hides the same in a later one") {
  Folder mine, theirs;
  Scripted passphrases("x");
  Wallet other({theirs.path()}, passphrases);
  (void)other.create("ida", Wallet::Passphrase::None);
  (void)other.create("lena", Wallet::Passphrase::None);
  Wallet own({mine.path()}, passphrases);
  PublicKey ida = own.create("ida", Wallet::Passphrase::None)->public_key;
  Wallet both({mine.path(), theirs.path()}, passphrases);
  CHECK_EQ(both.list()->size(), 2);
  CHECK_EQ(both.find("ida")->public_key, ida);
}

TEST_CASE("a wrong passphrase is denied") {
  crypto::SigningKey key = crypto::SigningKey::generate();
  KeyFile file = quick_file(key, "right");
  CHECK_EQ(unlock(file, "right")->public_key(), key.public_key());
  CHECK_EQ(unlock(file, "wrong").error().code, Code::Denied);
  CHECK_EQ(unlock(file, "").error().code, Code::Denied);
}

TEST_CASE("the encrypted file holds the seed nowhere") {
  crypto::SigningKey key = crypto::SigningKey::generate();
  std::string text = quick_file(key, "right").to_json();
  CHECK_EQ(text.find(to_hex(key.seed())), std::string::npos);
}

TEST_CASE("a key file reads back what was written") {
  crypto::SigningKey key = crypto::SigningKey::generate();
  for (const char* passphrase : {"", "right"}) {
    KeyFile file = quick_file(key, passphrase);
    KeyFile again = KeyFile::parse(file.to_json()).value();
    CHECK_EQ(again.to_json(), file.to_json());
    CHECK_EQ(unlock(again, passphrase)->public_key(), key.public_key());
  }
}

TEST_CASE("any tampered bit of box, salt or public key is noticed") {
  crypto::SigningKey key = crypto::SigningKey::generate();
  KeyFile good = quick_file(key, "right");
  KeyFile box = good, salt = good, swapped = good;
  box.box[30] = static_cast<char>(box.box[30] ^ 1);
  salt.salt[3] = static_cast<char>(salt.salt[3] ^ 1);
  swapped.public_key = crypto::SigningKey::generate().public_key();
  CHECK_EQ(unlock(box, "right").error().code, Code::Denied);
  CHECK_EQ(unlock(salt, "right").error().code, Code::Denied);
  CHECK_EQ(unlock(swapped, "right").error().code, Code::Denied);
  KeyFile open = quick_file(key, "");
  open.public_key = swapped.public_key;
  CHECK_EQ(unlock(open, "").error().code, Code::Corrupt);
}

TEST_CASE("what is no key file is refused by name") {
  CHECK_EQ(KeyFile::parse("").error().code, Code::Corrupt);
  CHECK_EQ(KeyFile::parse("[]").error().code, Code::Corrupt);
  CHECK_EQ(KeyFile::parse(std::string(5000, ' ')).error().code, Code::Corrupt);
  std::string text = quick_file(crypto::SigningKey::generate(), "").to_json();
  for (size_t cut = 0; cut + 2 < text.size(); cut += 7) CHECK_FALSE(KeyFile::parse(text.substr(0, cut)).has_value());
  std::string extra = text;
  extra.insert(1, "\"more\":1,");
  CHECK_NE(KeyFile::parse(extra).error().message.find("more"), std::string::npos);
}

TEST_CASE("backup words bring a lost key back") {
  Folder folder, fresh;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  PublicKey key = wallet.create("ida", Wallet::Passphrase::None)->public_key;
  std::string words = wallet.backup_words("ida").value();
  Wallet elsewhere({fresh.path()}, passphrases);
  CHECK_EQ(elsewhere.restore("ida", words, Wallet::Passphrase::None)->public_key, key);
}

TEST_CASE("no key gets the name that means whoever applies a contract, but such a file is still read") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  Result<KeyInfo> made = wallet.create("owner", Wallet::Passphrase::None);
  REQUIRE_FALSE(made.has_value());
  CHECK_EQ(made.error().code, Code::Invalid);
  CHECK_NE(made.error().message.find("reserved"), std::string::npos);
  CHECK_FALSE(check_new_name("owner").has_value());
  CHECK(check_name("owner").has_value());
}

TEST_CASE("a slip in a key's name is answered with the nearest") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  for (const char* name : {"lena", "bob"}) REQUIRE(wallet.create(name, Wallet::Passphrase::None));
  CHECK_NE(wallet.find("lna").error().message.find("did you mean \"lena\"?"), std::string::npos);
  CHECK_NE(wallet.find("zacharias").error().message.find("there are: bob, lena"), std::string::npos);
}

TEST_CASE("one key is not stored under two names") {
  Folder folder;
  Scripted passphrases("x");
  Wallet wallet({folder.path()}, passphrases);
  REQUIRE(wallet.create("ida", Wallet::Passphrase::None));
  std::string words = wallet.backup_words("ida").value();
  Result<KeyInfo> again = wallet.restore("lena", words, Wallet::Passphrase::None);
  REQUIRE_FALSE(again.has_value());
  CHECK_EQ(again.error().code, Code::AlreadyExists);
  CHECK_NE(again.error().message.find("ida"), std::string::npos);
  CHECK_EQ(wallet.list()->size(), 1);
}
