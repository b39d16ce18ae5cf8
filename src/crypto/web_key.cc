#include "crypto/web_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <climits>
#include <memory>

#include "base/check.h"
#include "crypto/hash.h"

namespace mcloud::crypto {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_clear_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr int kCoordinateSize = 32;
constexpr int kChainMax = 16;

Bio reader_of(BytesView text) {
  CHECK(text.size() <= INT_MAX);
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
  CHECK(bio != nullptr);
  return bio;
}

// What is protected by a passphrase is no key here: nobody could be asked.
int no_passphrase(char*, int, int, void*) { return -1; }

Result<Key> read_key(BytesView pem) {
  Bio bio = reader_of(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr), &EVP_PKEY_free);
  ERR_clear_error();
  if (key == nullptr) return make_error(Code::Invalid, "not a private key in PEM without a passphrase");
  return key;
}

std::string base64url(BytesView bytes) {
  std::string text = to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

Result<std::string> coordinate(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return make_error(Code::Invalid, "not an EC P-256 key");
  Number number(raw, &BN_clear_free);
  Bytes bytes(kCoordinateSize, '\0');
  int size = BN_bn2binpad(number.get(), reinterpret_cast<unsigned char*>(bytes.data()), kCoordinateSize);
  if (size != kCoordinateSize) return make_error(Code::Invalid, "not an EC P-256 key");
  return base64url(bytes);
}

// The leaf; the others only have to be certificates.
Result<Certificate> read_chain(BytesView chain) {
  Bio bio = reader_of(chain);
  Certificate leaf(nullptr, &X509_free);
  for (int count = 0; count < kChainMax; ++count) {
    Certificate next(PEM_read_bio_X509(bio.get(), nullptr, &no_passphrase, nullptr), &X509_free);
    if (next == nullptr) break;
    if (leaf == nullptr) leaf = std::move(next);
  }
  bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (leaf == nullptr || !is_at_end)
    return make_error(Code::Invalid, "the chain is not certificates in PEM, the site's own first");
  return leaf;
}

}  // namespace

Bytes make_web_key() {
  Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  CHECK(key != nullptr);
  // Secure memory is wiped when it is freed.
  Bio bio(BIO_new(BIO_s_secmem()), &BIO_free);
  CHECK(bio != nullptr &&
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  long size = BIO_get_mem_data(bio.get(), &text);
  CHECK(size > 0);
  return Bytes(text, static_cast<size_t>(size));
}

Result<std::string> web_key_thumbprint(BytesView pem) {
  Key key = TRY(read_key(pem));
  char group[32] = {};
  bool is_ec = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC &&
               EVP_PKEY_get_utf8_string_param(key.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, nullptr) == 1;
  if (!is_ec || std::string_view(group) != "prime256v1") return make_error(Code::Invalid, "not an EC P-256 key");
  std::string x = TRY(coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_X));
  std::string y = TRY(coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y));
  // Section 3.3: the required members only, sorted, no white space.
  return base64url(sha256(R"({"crv":"P-256","kty":"EC","x":")" + x + R"(","y":")" + y + R"("})"));
}

Status check_certificate_key(BytesView chain, BytesView pem) {
  Certificate leaf = TRY(read_chain(chain));
  Key key = TRY(read_key(pem));
  bool fits = X509_check_private_key(leaf.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) return make_error(Code::Invalid, "the key is not that of the first certificate of the chain");
  return {};
}

}  // namespace mcloud::crypto
