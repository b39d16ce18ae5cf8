#include "io/file.h"
#include "io/tls_openssl.h"

namespace mcloud::io {
namespace {

using Context = std::unique_ptr<SSL_CTX, SslFree>;

// An encrypted key would make OpenSSL ask on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

Error wrong_file(const std::string& path, std::string_view what) {
  return make_error(Code::Invalid, path + ": " + std::string(what) + " (" + take_openssl_reason() + ")");
}

Status check_readable(const std::string& path) {
  Bytes bytes = TRY(read_file(path, 1 << 20));
  if (bytes.find("-----BEGIN ") == Bytes::npos) return make_error(Code::Invalid, path + ": no PEM in it");
  return {};
}

Status use_certificate(SSL_CTX* context, const TlsFiles& files) {
  TRY(check_readable(files.certificate));
  TRY(check_readable(files.key));
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    return wrong_file(files.certificate, "no certificate that can be used");
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) == 1) return {};
  bool is_anothers = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
  return wrong_file(files.key, is_anothers ? "not the key of the certificate in " + files.certificate
                                           : "no private key that can be used, without a passphrase");
}

Status use_authority(SSL_CTX* context, const std::string& path) {
  TRY(check_readable(path));
  if (SSL_CTX_load_verify_locations(context, path.c_str(), nullptr) != 1)
    return wrong_file(path, "no certificates of an authority");
  return {};
}

Result<Context> make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  Context context(SSL_CTX_new(method));
  if (context == nullptr) return make_error(Code::Internal, "TLS: " + take_openssl_reason());
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  // Each handshake is a whole one: nothing is kept that could be resumed with less proof.
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
  return context;
}

}  // namespace

TlsContext::TlsContext(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::for_server(const TlsFiles& files) {
  Context context = TRY(make_context(TLS_server_method()));
  TRY(use_certificate(context.get(), files));
  if (!files.authority.empty()) {
    TRY(use_authority(context.get(), files.authority));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    if (STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(files.authority.c_str()))
      SSL_CTX_set_client_CA_list(context.get(), names);
  }
  auto inside = std::make_unique<Inside>();
  inside->context = std::move(context);
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(inside)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_client(const TlsFiles& files) {
  Context context = TRY(make_context(TLS_client_method()));
  if (!files.certificate.empty()) TRY(use_certificate(context.get(), files));
  if (!files.authority.empty())
    TRY(use_authority(context.get(), files.authority));
  else if (SSL_CTX_set_default_verify_paths(context.get()) != 1)
    return make_error(Code::Unavailable, "TLS: this machine's authorities: " + take_openssl_reason());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  auto inside = std::make_unique<Inside>();
  inside->context = std::move(context);
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(inside)));
}

}  // namespace mcloud::io
