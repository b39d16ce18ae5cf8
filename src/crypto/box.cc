#include "crypto/box.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/sodium.h"

namespace mcloud::crypto {
namespace {

constexpr size_t kNonceSize = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTagSize = crypto_aead_xchacha20poly1305_ietf_ABYTES;

const unsigned char* raw(BytesView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* raw(Bytes& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

Error not_ours() { return make_error(Code::Denied, "this box is not for this key and context"); }

}  // namespace

Result<Bytes> seal_for(const PublicKey& recipient, BytesView context, BytesView message) {
  require_sodium();
  std::array<unsigned char, crypto_box_PUBLICKEYBYTES> box_key;
  if (crypto_sign_ed25519_pk_to_curve25519(box_key.data(), recipient.data()) != 0) {
    return make_error(Code::Invalid, "public key " + recipient.short_hex() + " is not a point that can receive a box");
  }
  CHECK(context.size() <= UINT32_MAX);
  Bytes inside;
  inside.reserve(4 + context.size() + message.size());
  append_u32_be(inside, static_cast<uint32_t>(context.size()));
  inside += context;
  inside += message;
  Bytes box(inside.size() + crypto_box_SEALBYTES, '\0');
  int failed = crypto_box_seal(raw(box), raw(BytesView(inside)), inside.size(), box_key.data());
  wipe(inside);
  if (failed != 0) return make_error(Code::Invalid, "public key " + recipient.short_hex() + " is a weak point");
  return box;
}

Result<Bytes> open_sealed(const SigningKey& recipient, BytesView context, BytesView box) {
  require_sodium();
  if (box.size() < crypto_box_SEALBYTES + 4) return not_ours();
  // libsodium derives the X25519 secret from seed | public key.
  Bytes secret = Bytes(recipient.seed()) + recipient.public_key().bytes();
  std::array<unsigned char, crypto_box_SECRETKEYBYTES> box_secret;
  std::array<unsigned char, crypto_box_PUBLICKEYBYTES> box_public;
  crypto_sign_ed25519_sk_to_curve25519(box_secret.data(), raw(BytesView(secret)));
  crypto_scalarmult_base(box_public.data(), box_secret.data());
  wipe(secret);

  Bytes inside(box.size() - crypto_box_SEALBYTES, '\0');
  int failed = crypto_box_seal_open(raw(inside), raw(box), box.size(), box_public.data(), box_secret.data());
  sodium_memzero(box_secret.data(), box_secret.size());
  if (failed != 0) return not_ours();

  Bytes expected;
  append_u32_be(expected, static_cast<uint32_t>(context.size()));
  expected += context;
  bool matches =
      inside.size() >= expected.size() && equal_constant_time(BytesView(inside).substr(0, expected.size()), expected);
  Bytes message = matches ? inside.substr(expected.size()) : Bytes();
  wipe(inside);
  if (!matches) return not_ours();
  return message;
}

Bytes encrypt(BytesView key, BytesView associated_data, BytesView message) {
  require_sodium();
  CHECK(key.size() == kSymmetricKeySize);
  Bytes box = random_bytes(kNonceSize);
  box.resize(kNonceSize + message.size() + kTagSize);
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(box) + kNonceSize, nullptr, raw(message), message.size(),
                                             raw(associated_data), associated_data.size(), nullptr, raw(box), raw(key));
  return box;
}

Result<Bytes> decrypt(BytesView key, BytesView associated_data, BytesView box) {
  require_sodium();
  CHECK(key.size() == kSymmetricKeySize);
  const Error denied = make_error(Code::Denied, "cannot decrypt: wrong key or damaged bytes");
  if (box.size() < kNonceSize + kTagSize) return denied;
  BytesView ciphertext = box.substr(kNonceSize);
  Bytes message(ciphertext.size() - kTagSize, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(raw(message), nullptr, nullptr, raw(ciphertext), ciphertext.size(),
                                                 raw(associated_data), associated_data.size(), raw(box),
                                                 raw(key)) != 0) {
    return denied;
  }
  return message;
}

Result<Bytes> key_from_passphrase(std::string_view passphrase, BytesView salt, PassphraseCost cost) {
  require_sodium();
  if (salt.size() != crypto_pwhash_SALTBYTES) {
    return make_error(Code::Invalid, "a passphrase's salt has " + std::to_string(salt.size()) + " bytes instead of 16");
  }
  bool interactive = cost == PassphraseCost::Interactive;
  Bytes key(kSymmetricKeySize, '\0');
  if (crypto_pwhash(raw(key), key.size(), passphrase.data(), passphrase.size(), raw(salt),
                    interactive ? crypto_pwhash_OPSLIMIT_INTERACTIVE : crypto_pwhash_OPSLIMIT_MODERATE,
                    interactive ? crypto_pwhash_MEMLIMIT_INTERACTIVE : crypto_pwhash_MEMLIMIT_MODERATE,
                    crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return make_error(Code::Exhausted, std::string("not enough memory to derive a key from the passphrase; it takes ") +
                                           (interactive ? "64 MiB" : "256 MiB"));
  }
  return key;
}

Bytes derive_key(BytesView key, std::string_view purpose) {
  require_sodium();
  CHECK(key.size() == kSymmetricKeySize && !purpose.empty());
  Bytes out(kSymmetricKeySize, '\0');
  crypto_generichash(raw(out), out.size(), raw(purpose), purpose.size(), raw(key), key.size());
  return out;
}

Bytes random_bytes(size_t count) {
  require_sodium();
  Bytes out(count, '\0');
  randombytes_buf(out.data(), count);
  return out;
}

void wipe(Bytes& secret) {
  sodium_memzero(secret.data(), secret.size());
  secret.clear();
}

}  // namespace mcloud::crypto
