#include "crypto/aead.h"

#include <openssl/evp.h>

#include <climits>
#include <memory>

#include "base/check.h"

namespace mcloud::crypto {
namespace {

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

enum class Direction : int { Open = 0, Seal = 1 };

const unsigned char* raw(BytesView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* raw(Bytes& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

// A context costs a microsecond, a block of 512 KiB a hundred: none is kept.
Context start(BytesView key, BytesView nonce, Direction direction) {
  CHECK(key.size() == kAesKeySize && nonce.size() == kGcmNonceSize);
  Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  CHECK(context != nullptr);
  CHECK(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key), raw(nonce),
                          static_cast<int>(direction)) == 1);
  return context;
}

}  // namespace

Bytes aes256_gcm_seal(BytesView key, BytesView nonce, BytesView message) {
  CHECK(message.size() <= INT_MAX - kGcmTagSize);
  Context context = start(key, nonce, Direction::Seal);
  Bytes out(message.size() + kGcmTagSize, '\0');
  int size = 0, rest = 0;
  CHECK(EVP_CipherUpdate(context.get(), raw(out), &size, raw(message), static_cast<int>(message.size())) == 1);
  CHECK(EVP_CipherFinal_ex(context.get(), raw(out) + size, &rest) == 1);
  CHECK(static_cast<size_t>(size + rest) == message.size());
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, raw(out) + message.size()) == 1);
  return out;
}

Result<Bytes> aes256_gcm_open(BytesView key, BytesView nonce, BytesView sealed) {
  if (sealed.size() < kGcmTagSize || sealed.size() > INT_MAX) {
    return make_error(Code::Denied, "a sealed message has at least 16 bytes and less than 2 GiB");
  }
  Context context = start(key, nonce, Direction::Open);
  Bytes out(sealed.size() - kGcmTagSize, '\0');
  Bytes tag(sealed.substr(out.size()));
  int size = 0, rest = 0;
  CHECK(EVP_CipherUpdate(context.get(), raw(out), &size, raw(sealed), static_cast<int>(out.size())) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, tag.data()) == 1);
  if (EVP_CipherFinal_ex(context.get(), raw(out) + size, &rest) != 1) {
    return make_error(Code::Denied, "the message is not sealed with this key and nonce");
  }
  return out;
}

}  // namespace mcloud::crypto
