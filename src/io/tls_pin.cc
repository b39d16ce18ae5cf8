// Contexts of two that know each other's keys.
#include "io/tls_openssl.h"

namespace mcloud::io {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;

constexpr size_t kKeyBytes = 32;

Error failed(std::string_view what) {
  return make_error(Code::Internal, "TLS: " + std::string(what) + ": " + take_openssl_reason());
}

// Everything in it but the key is there because the format asks for it; nobody looks at it.
Result<Certificate> make_certificate(EVP_PKEY* key) {
  Certificate made(X509_new());
  if (made == nullptr) return failed("certificate");
  X509* raw = made.get();
  X509_NAME* name = X509_get_subject_name(raw);
  const auto* text = reinterpret_cast<const unsigned char*>("mcloud");
  bool is_good = X509_set_version(raw, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(raw), 1) == 1 &&
                 ASN1_TIME_set_string_X509(X509_getm_notBefore(raw), "20000101000000Z") == 1 &&
                 ASN1_TIME_set_string_X509(X509_getm_notAfter(raw), "99991231235959Z") == 1 &&
                 X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
                 X509_set_issuer_name(raw, name) == 1 && X509_set_pubkey(raw, key) == 1 &&
                 X509_sign(raw, key, nullptr) > 0;  // Ed25519 hashes by itself
  if (!is_good) return failed("certificate");
  return made;
}

// Instead of chains, names and dates.
int believe(X509_STORE_CTX* verified, void* pin) {
  Bytes key = raw_key(X509_STORE_CTX_get0_cert(verified));
  bool is_believed = key.size() == kKeyBytes && static_cast<const TlsPin*>(pin)->is_believed(key);
  if (!is_believed) X509_STORE_CTX_set_error(verified, X509_V_ERR_CERT_UNTRUSTED);
  return is_believed ? 1 : 0;
}

Bytes protocol_list(const TlsPin& pin) { return static_cast<char>(pin.protocol.size()) + pin.protocol; }

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void* pin) {
  BytesView rest(reinterpret_cast<const char*>(offered), offered_size);
  while (!rest.empty()) {
    BytesView one = rest.substr(1, static_cast<unsigned char>(rest[0]));
    if (one == static_cast<const TlsPin*>(pin)->protocol) {
      *chosen = reinterpret_cast<const unsigned char*>(one.data());
      *size = static_cast<unsigned char>(one.size());
      return SSL_TLSEXT_ERR_OK;
    }
    rest.remove_prefix(1 + one.size());
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// TLS 1.3 with Ed25519 and nothing else. No tickets: they would save two signatures and no round trip, and a key that
// has left would be let in by them.
Status restrict(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  bool is_good = SSL_CTX_set_num_tickets(context, 0) == 1 &&
                 SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
                 SSL_CTX_set1_groups_list(context, "X25519") == 1 && SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1;
  if (!is_good) return failed("settings");
  return {};
}

}  // namespace

Bytes raw_key(X509* certificate) {
  Bytes key(kKeyBytes, '\0');
  size_t size = key.size();
  EVP_PKEY* held = X509_get0_pubkey(certificate);
  if (held == nullptr || EVP_PKEY_get_id(held) != EVP_PKEY_ED25519) return {};
  if (EVP_PKEY_get_raw_public_key(held, reinterpret_cast<unsigned char*>(key.data()), &size) != 1) return {};
  return key;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::pinned(const TlsPin& pin) {
  ERR_clear_error();
  const auto* seed = reinterpret_cast<const unsigned char*>(pin.seed.data());
  Key key(pin.seed.size() == kKeyBytes ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed, pin.seed.size())
                                       : nullptr);
  if (key == nullptr || pin.protocol.empty() || pin.protocol.size() > 255 || !pin.is_believed)
    return make_error(Code::Invalid, "TLS: no key or no protocol for a pinned session");
  Certificate certificate = TRY(make_certificate(key.get()));
  auto inside = std::make_unique<Inside>();
  inside->context.reset(SSL_CTX_new(TLS_method()));
  inside->pin = std::make_unique<TlsPin>(pin);
  inside->pin->seed.clear();
  SSL_CTX* raw = inside->context.get();
  if (raw == nullptr) return failed("context");
  TRY(restrict(raw));
  Bytes protocols = protocol_list(pin);
  bool is_good = SSL_CTX_use_certificate(raw, certificate.get()) == 1 && SSL_CTX_use_PrivateKey(raw, key.get()) == 1 &&
                 SSL_CTX_set_alpn_protos(raw, reinterpret_cast<const unsigned char*>(protocols.data()),
                                         static_cast<unsigned>(protocols.size())) == 0;  // 0: it worked
  if (!is_good) return failed("certificate");
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, inside->pin.get());
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(raw, believe, inside->pin.get());
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(inside)));
}

}  // namespace mcloud::io
