#include "contract/secrets.h"

#include <doctest/doctest.h>

#include <vector>

#include "contract/header.h"
#include "contract/test_fixture.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

namespace {

SecretScope scope(std::string_view chain = "test-chain", std::string_view owner = "owner",
                  std::string_view nonce = "0123456789abcdef") {
  return {std::string(chain), key_named(owner).public_key(), Bytes(nonce)};
}

const Bytes kKey(32, 'k');

}  // namespace

TEST_CASE("a secret opens where it belongs") {
  SecretPlace place{"web", environment_field("TOKEN")};
  for (const Bytes& value : {Bytes(), Bytes("x"), Bytes(kSecretBytesMax, '\0')}) {
    Bytes box = encrypt_secret(kKey, scope(), place, value).value();
    CHECK_EQ(open_secret(kKey, scope(), place, box).value(), value);
  }
}

TEST_CASE("a box copied into another contract, workload or field does not open") {
  SecretPlace place{"web", environment_field("TOKEN")};
  Bytes box = encrypt_secret(kKey, scope(), place, "value").value();
  auto opens = [&](const SecretScope& in, const SecretPlace& at) { return open_secret(kKey, in, at, box).has_value(); };
  CHECK(opens(scope(), place));
  CHECK_FALSE(opens(scope("other-chain"), place));
  CHECK_FALSE(opens(scope("test-chain", "mallory"), place));
  CHECK_FALSE(opens(scope("test-chain", "owner", "0123456789abcdeg"), place));
  CHECK_FALSE(opens(scope(), {"web2", place.field}));
  CHECK_FALSE(opens(scope(), {"web", environment_field("TOKEN2")}));
  CHECK_FALSE(opens(scope(), {"web", secret_file_field("TOKEN")}));
  CHECK_FALSE(open_secret(Bytes(32, 'x'), scope(), place, box).has_value());
}

TEST_CASE("a box with one bit changed does not open") {
  SecretPlace place{"web", environment_field("TOKEN")};
  Bytes box = encrypt_secret(kKey, scope(), place, "value").value();
  for (size_t bit = 0; bit < box.size() * 8; ++bit) {
    Bytes changed = box;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(open_secret(kKey, scope(), place, changed).has_value());
  }
  CHECK_FALSE(open_secret(kKey, scope(), place, "").has_value());
}

TEST_CASE("what would make two places look alike is refused") {
  CHECK_FALSE(encrypt_secret(kKey, scope("a|b"), {"web", "f"}, "v").has_value());
  CHECK_FALSE(encrypt_secret(kKey, scope(), {"we|b", "f"}, "v").has_value());
  CHECK_FALSE(encrypt_secret(kKey, scope("test-chain", "owner", "short"), {"web", "f"}, "v").has_value());
  CHECK_FALSE(encrypt_secret("short", scope(), {"web", "f"}, "v").has_value());
  CHECK_FALSE(encrypt_secret(kKey, scope(), {"web", "f"}, Bytes(kSecretBytesMax + 1, 'x')).has_value());
}

TEST_CASE("every reader of a keyring gets the key and nobody else does") {
  std::vector<PublicKey> readers;
  for (const char* name : {"node-3", "node-1", "node-2", "node-1", "owner"}) readers.push_back(key_named(name).public_key());
  pb::Keyring keyring = make_keyring(scope(), kKey, 1, readers).value();
  CHECK_EQ(keyring.boxes_size(), 4);
  Result<pb::Keyring> decoded = decode_keyring(wire::encode(keyring));
  REQUIRE_MESSAGE(decoded.has_value(), decoded.error().message);
  for (const char* name : {"node-1", "node-2", "node-3", "owner"}) {
    CHECK_EQ(open_keyring(scope(), *decoded, key_named(name)).value(), kKey);
  }
  CHECK_EQ(open_keyring(scope(), *decoded, key_named("node-4")).error().code, Code::NotFound);
}

TEST_CASE("a key box copied into another contract's keyring does not open") {
  std::vector<PublicKey> readers = {key_named("node-1").public_key()};
  pb::Keyring keyring = make_keyring(scope(), kKey, 1, readers).value();
  SecretScope other = scope("test-chain", "mallory");
  CHECK_EQ(open_keyring(other, keyring, key_named("node-1")).error().code, Code::Denied);
  keyring.set_contract(contract_id(other.owner, other.nonce).bytes());
  CHECK_EQ(open_keyring(other, keyring, key_named("node-1")).error().code, Code::Denied);
  CHECK_FALSE(open_keyring(scope("other-chain"), make_keyring(scope(), kKey, 1, readers).value(), key_named("node-1")).has_value());
}

TEST_CASE("keyrings out of order or out of bounds are refused") {
  std::vector<PublicKey> readers = {key_named("node-1").public_key(), key_named("node-2").public_key()};
  pb::Keyring good = make_keyring(scope(), kKey, 1, readers).value();
  pb::Keyring bad = good;
  bad.mutable_boxes()->SwapElements(0, 1);
  CHECK_FALSE(decode_keyring(wire::encode(bad)).has_value());
  bad = good;
  bad.mutable_boxes(0)->set_node("short");
  CHECK_FALSE(decode_keyring(wire::encode(bad)).has_value());
  bad = good;
  bad.set_generation(0);
  CHECK_FALSE(decode_keyring(wire::encode(bad)).has_value());
  CHECK_FALSE(make_keyring(scope(), kKey, 0, readers).has_value());
  bad = good;
  bad.mutable_boxes(0)->clear_box();
  CHECK_FALSE(decode_keyring(wire::encode(bad)).has_value());
}

TEST_CASE("the owner finds the key again, each contract and generation has its own") {
  crypto::SigningKey owner = key_named("owner");
  CHECK_EQ(owner_secret_key(owner, scope()), owner_secret_key(owner, scope()));
  CHECK_EQ(owner_secret_key(owner, scope()).size(), 32u);
  CHECK_NE(owner_secret_key(owner, scope()), owner_secret_key(owner, scope("other-chain")));
  CHECK_NE(owner_secret_key(owner, scope()), owner_secret_key(owner, scope("test-chain", "owner", "0123456789abcdeg")));
  CHECK_NE(owner_secret_key(owner, scope()), owner_secret_key(owner, scope(), 2));
  CHECK_NE(owner_secret_key(owner, scope()), owner_secret_key(key_named("ida"), scope()));
}
