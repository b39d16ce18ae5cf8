#include <doctest/doctest.h>

#include "crypto/aead.h"
#include "crypto/box.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

using namespace mcloud;
using namespace mcloud::crypto;

namespace {

SigningKey key_of(char letter) { return SigningKey::from_seed(Bytes(32, letter)).value(); }

Bytes flipped(Bytes bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

}  // namespace

TEST_CASE("hashes are the ones of the specifications") {
  CHECK_EQ(blake2b("").hex(), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  CHECK_EQ(blake2b("abc").hex(), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  CHECK_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("a hash of parts is the hash of the whole") {
  CHECK_EQ(blake2b({"ab", "", "c"}), blake2b("abc"));
  Sha256 parts;
  parts.update("a");
  parts.update("bc");
  CHECK_EQ(parts.finish(), sha256("abc"));
}

TEST_CASE("the same seed gives the same key, another size is refused") {
  CHECK_EQ(key_of('a').public_key(), key_of('a').public_key());
  CHECK_NE(key_of('a').public_key(), key_of('b').public_key());
  CHECK_EQ(key_of('a').seed(), Bytes(32, 'a'));
  CHECK_NE(SigningKey::generate().public_key(), SigningKey::generate().public_key());
  CHECK_EQ(SigningKey::from_seed(Bytes(31, 'a')).error().message, "a key's seed has 31 bytes instead of 32");
}

TEST_CASE("the key of a seed is the one of RFC 8032") {
  Bytes seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").value();
  CHECK_EQ(SigningKey::from_seed(seed).value().public_key().hex(),
           "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST_CASE("a signature holds for its key, domain and message only") {
  SigningKey key = key_of('a');
  Signature signature = key.sign("approval", "message");
  CHECK(verify(key.public_key(), "approval", "message", signature));
  CHECK_FALSE(verify(key.public_key(), "approval", "messagf", signature));
  CHECK_FALSE(verify(key.public_key(), "transfer", "message", signature));
  CHECK_FALSE(verify(key_of('b').public_key(), "approval", "message", signature));
  for (size_t bit = 0; bit < signature.size() * 8; ++bit) {
    CHECK_FALSE(verify(key.public_key(), "approval", "message", flipped(signature, bit)));
  }
}

TEST_CASE("the seam between domain and message cannot be moved") {
  SigningKey key = key_of('a');
  CHECK_FALSE(verify(key.public_key(), "ab", "cd", key.sign("abc", "d")));
}

TEST_CASE("malformed keys and signatures verify nothing") {
  Signature signature = key_of('a').sign("d", "m");
  CHECK_FALSE(verify(PublicKey(), "d", "m", signature));
  CHECK_FALSE(verify(PublicKey(), "d", "m", Bytes(64, '\0')));
  CHECK_FALSE(verify(key_of('a').public_key(), "d", "m", ""));
  CHECK_FALSE(verify(key_of('a').public_key(), "d", "m", signature + "x"));
}

TEST_CASE("a box opens for its recipient and context only") {
  SigningKey recipient = key_of('a');
  for (size_t size : {0, 1, 100, 70000}) {
    Bytes message(size, 'm');
    Bytes box = seal_for(recipient.public_key(), "chain|contract|field", message).value();
    CHECK_EQ(open_sealed(recipient, "chain|contract|field", box).value(), message);
    CHECK_EQ(open_sealed(recipient, "chain|contract|fielD", box).error().code, Code::Denied);
    CHECK_EQ(open_sealed(recipient, "chain|contract|fiel", box).error().code, Code::Denied);
    CHECK_EQ(open_sealed(key_of('b'), "chain|contract|field", box).error().code, Code::Denied);
  }
}

TEST_CASE("boxes and signatures of today open and verify for ever") {
  Bytes sealed = from_hex(
                     "39bd1f63bb5bc7edd1053fff015fb7185bf079d75e69b0c0b7f49e1f8cee161f5c8c7d229d49e7b7652837849e"
                     "c5d4ce2a4bb34ae16d28c06afb9afb72daf32980e8")
                     .value();
  CHECK_EQ(open_sealed(key_of('a'), "context", sealed).value(), "message");
  Bytes box = from_hex(
                  "338a10234fcc52d1f093d95375ab61366eff8e07c48abb9d7861e814469ea9486474e021779e5d8574d1876711"
                  "61b6")
                  .value();
  CHECK_EQ(decrypt(Bytes(32, 'k'), "about", box).value(), "message");
  CHECK_EQ(to_hex(key_of('a').sign("domain", "message")),
           "fef05265b94d49e92c2bf127e2f802e77787bc629f63c3b5f157bae6e1324882295948d32eb805ebe55c96a3f4"
           "b6f0d1475bb0cb0c89bcfa99c2a53c94e53f09");
}

TEST_CASE("a damaged box does not open") {
  SigningKey recipient = key_of('a');
  Bytes box = seal_for(recipient.public_key(), "c", "message").value();
  for (size_t bit = 0; bit < box.size() * 8; ++bit) {
    CHECK_FALSE(open_sealed(recipient, "c", flipped(box, bit)).has_value());
  }
  for (size_t size = 0; size < box.size(); ++size) {
    CHECK_FALSE(open_sealed(recipient, "c", box.substr(0, size)).has_value());
  }
}

TEST_CASE("nobody can be made to seal for a key that is not a point") {
  CHECK_EQ(seal_for(PublicKey(), "c", "m").error().code, Code::Invalid);
}

TEST_CASE("what is encrypted decrypts under its key and associated data only") {
  Bytes key = random_bytes(kSymmetricKeySize);
  Bytes box = encrypt(key, "about", "message");
  CHECK_EQ(decrypt(key, "about", box).value(), "message");
  CHECK_NE(encrypt(key, "about", "message"), box);
  CHECK_EQ(decrypt(key, "abouT", box).error().code, Code::Denied);
  CHECK_EQ(decrypt(random_bytes(kSymmetricKeySize), "about", box).error().code, Code::Denied);
  for (size_t bit = 0; bit < box.size() * 8; ++bit) CHECK_FALSE(decrypt(key, "about", flipped(box, bit)).has_value());
  for (size_t size = 0; size < box.size(); ++size) CHECK_FALSE(decrypt(key, "about", box.substr(0, size)).has_value());
}

TEST_CASE("a passphrase gives one key per salt") {
  auto key = [](std::string_view passphrase, char salt) {
    return key_from_passphrase(passphrase, Bytes(16, salt), PassphraseCost::Interactive).value();
  };
  Bytes first = key("correct horse", 's');
  CHECK_EQ(first.size(), kSymmetricKeySize);
  CHECK_EQ(key("correct horse", 's'), first);
  CHECK_NE(key("correct horse", 't'), first);
  CHECK_NE(key("correct hors", 's'), first);
  CHECK_EQ(key_from_passphrase("p", "short", PassphraseCost::Interactive).error().code, Code::Invalid);
}

TEST_CASE("derived keys differ by purpose and are stable") {
  Bytes key(32, 'k');
  CHECK_EQ(derive_key(key, "logs"), derive_key(key, "logs"));
  CHECK_NE(derive_key(key, "logs"), derive_key(key, "volumes"));
  CHECK_NE(derive_key(key, "logs"), derive_key(Bytes(32, 'l'), "logs"));
  CHECK_EQ(to_hex(derive_key(key, "golden")), "bae617d26f2ec4058aadf782b6fceccd7bce5fe6d91b9c3b3b58db7071aeae6e");
}

TEST_CASE("a wiped secret is empty") {
  Bytes secret = "secret";
  wipe(secret);
  CHECK(secret.empty());
}

TEST_CASE("a keyed hash depends on key and message") {
  Bytes key(32, 'k');
  CHECK_EQ(blake2b_keyed(key, "abc"), blake2b_keyed(key, "abc"));
  CHECK_NE(blake2b_keyed(key, "abc"), blake2b("abc"));
  CHECK_NE(blake2b_keyed(key, "abc"), blake2b_keyed(Bytes(32, 'l'), "abc"));
  // hashlib.blake2b(b"abc", digest_size=32, key=bytes(range(32)))
  Bytes counted;
  for (int i = 0; i < 32; ++i) counted += static_cast<char>(i);
  CHECK_EQ(blake2b_keyed(counted, "abc").hex(), "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
}

TEST_CASE("AES-256-GCM gives the answers of its specification") {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 15.
  Bytes zero_key(32, '\0'), zero_nonce(12, '\0');
  CHECK_EQ(to_hex(aes256_gcm_seal(zero_key, zero_nonce, "")), "530f8afbc74536b9a963b4f1c4cb738b");
  CHECK_EQ(to_hex(aes256_gcm_seal(zero_key, zero_nonce, Bytes(16, '\0'))),
           "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  Bytes key = from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").value();
  Bytes plain = from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                         "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255")
                    .value();
  Bytes sealed = aes256_gcm_seal(key, from_hex("cafebabefacedbaddecaf888").value(), plain);
  CHECK_EQ(to_hex(sealed),
           "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
           "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c");
}

TEST_CASE("what AES-256-GCM sealed opens with the same key and nonce only, and not when a bit is flipped") {
  Bytes key(32, 'k'), nonce(12, 'n');
  for (Bytes message : {Bytes(), Bytes("m"), Bytes(70'000, 'm')}) {
    Bytes sealed = aes256_gcm_seal(key, nonce, message);
    CHECK_EQ(sealed.size(), message.size() + kGcmTagSize);
    CHECK(aes256_gcm_open(key, nonce, sealed).value() == message);
    CHECK_EQ(aes256_gcm_open(Bytes(32, 'l'), nonce, sealed).error().code, Code::Denied);
    CHECK_EQ(aes256_gcm_open(key, Bytes(12, 'o'), sealed).error().code, Code::Denied);
    for (size_t bit = 0; bit < sealed.size() * 8; bit += 1 + sealed.size() / 50) {
      CHECK_FALSE(aes256_gcm_open(key, nonce, flipped(sealed, bit)).has_value());
    }
  }
  CHECK_EQ(aes256_gcm_open(key, nonce, Bytes(15, 'x')).error().code, Code::Denied);
}

TEST_CASE("HMAC-SHA-256 gives the answers of RFC 4231") {
  CHECK_EQ(to_hex(hmac_sha256(Bytes(20, '\x0b'), "Hi There")),
           "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK_EQ(to_hex(hmac_sha256(Bytes(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
           "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
