#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "base/check.h"

namespace mcloud::crypto {
namespace {

constexpr size_t kPemBytesMax = 256 << 10;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    static_cast<void>(Free(object));
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Memory = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

Error wrong(const std::string& what) { return make_error(Code::Invalid, what); }

Memory reader_of(const std::string& pem) { return Memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

std::string text_of(BIO& memory) {
  char* data = nullptr;
  long size = BIO_get_mem_data(&memory, &data);
  return {data, static_cast<size_t>(size)};
}

// Nobody is there to type a passphrase.
int no_passphrase(char*, int, int, void*) { return 0; }

Result<Key> parse_key(const std::string& pem) {
  if (pem.size() > kPemBytesMax) return wrong("the private key is larger than 256 KiB");
  Key key(PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, no_passphrase, nullptr));
  if (!key) return wrong("the private key is no PEM key without a passphrase");
  return key;
}

void add_names(X509& certificate, const std::vector<std::string>& names) {
  Names list(GENERAL_NAMES_new());
  for (const std::string& name : names) {
    GENERAL_NAME* entry = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    CHECK(ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) == 1);
    GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    sk_GENERAL_NAME_push(list.get(), entry);
  }
  CHECK(X509_add1_ext_i2d(&certificate, NID_subject_alt_name, list.get(), 0, 0) == 1);
}

void set_serial(X509& certificate) {
  unsigned char bytes[8];
  CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
  uint64_t serial = 0;
  for (unsigned char byte : bytes) serial = serial << 8 | byte;
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(&certificate), serial >> 1 | 1);
}

Result<std::vector<Certificate>> parse_chain(const std::string& pem) {
  if (pem.size() > kPemBytesMax) return wrong("the certificate is larger than 256 KiB");
  std::vector<Certificate> chain;
  Memory reader = reader_of(pem);
  while (X509* next = PEM_read_bio_X509(reader.get(), nullptr, no_passphrase, nullptr)) chain.emplace_back(next);
  if (chain.empty()) return wrong("there is no PEM certificate");
  return chain;
}

uint64_t ms_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  time_t seconds = timegm(&parts);
  return seconds < 0 ? 0 : static_cast<uint64_t>(seconds) * 1000;
}

std::vector<std::string> names_of(const X509& certificate) {
  std::vector<std::string> out;
  Names list(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type != GEN_DNS) continue;
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                     static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  return out;
}

}  // namespace

Result<std::string> make_self_signed(const std::string& key_pem, const std::vector<std::string>& dns_names, unsigned days) {
  Key key = TRY(parse_key(key_pem));
  if (dns_names.empty()) return wrong("a certificate needs a name");
  Certificate made(X509_new());
  X509_set_version(made.get(), 2);
  set_serial(*made);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(days) * 86'400);
  X509_set_pubkey(made.get(), key.get());
  // A common name has at most 64 characters (RFC 5280 appendix A.1); clients read subjectAltName.
  std::string subject = dns_names[0].substr(0, 64);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(subject.data()),
                             static_cast<int>(subject.size()), -1, 0);
  X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
  add_names(*made, dns_names);
  const EVP_MD* digest = EVP_PKEY_is_a(key.get(), "ED25519") ? nullptr : EVP_sha256();
  if (X509_sign(made.get(), key.get(), digest) <= 0) return wrong("the private key cannot sign");
  Memory memory(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509(memory.get(), made.get()) == 1);
  return text_of(*memory);
}

Result<CertificateFacts> check_certificate(const std::string& chain_pem, const std::string& key_pem) {
  std::vector<Certificate> chain = TRY(parse_chain(chain_pem));
  Key key = TRY(parse_key(key_pem));
  if (X509_check_private_key(chain[0].get(), key.get()) != 1) return wrong("the private key is not the certificate's");
  for (size_t i = 1; i < chain.size(); ++i) {
    if (X509_check_issued(chain[i].get(), chain[i - 1].get()) != X509_V_OK) {
      return wrong("the chain is broken: certificate " + std::to_string(i + 1) + " did not issue the one before it");
    }
  }
  CertificateFacts facts;
  facts.not_before_ms = ms_of(X509_get0_notBefore(chain[0].get()));
  facts.not_after_ms = ms_of(X509_get0_notAfter(chain[0].get()));
  facts.dns_names = names_of(*chain[0]);
  Memory memory(BIO_new(BIO_s_mem()));
  for (const Certificate& certificate : chain) CHECK(PEM_write_bio_X509(memory.get(), certificate.get()) == 1);
  CHECK(PEM_write_bio_PKCS8PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  facts.pem = text_of(*memory);
  return facts;
}

Result<uint64_t> certificate_expiry_ms(const std::string& chain_pem) {
  std::vector<Certificate> chain = TRY(parse_chain(chain_pem));
  return ms_of(X509_get0_notAfter(chain[0].get()));
}

bool covers(const std::vector<std::string>& names, const std::string& host) {
  for (const std::string& name : names) {
    if (name == host) return true;
    size_t dot = host.find('.');
    if (name.starts_with("*.") && dot != host.npos && std::string_view(name).substr(1) == std::string_view(host).substr(dot)) return true;
  }
  return false;
}

}  // namespace mcloud::crypto
