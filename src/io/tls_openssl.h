// Inside io only: OpenSSL's errors in our words, and its objects with owners.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "io/tls.h"

namespace mcloud::io {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

struct TlsContext::Inside {
  std::unique_ptr<SSL_CTX, SslFree> context;
  std::unique_ptr<TlsPin> pin;  // nullptr: certificates of authorities
};

// The Ed25519 key of a certificate; "" when it has another kind of key.
Bytes raw_key(X509* certificate);

// The newest of OpenSSL's queue, which is empty afterwards.
inline std::string take_openssl_reason() {
  std::string reason = "unknown";
  while (unsigned long error = ERR_get_error()) {
    if (const char* text = ERR_reason_error_string(error)) reason = text;
  }
  return reason;
}

}  // namespace mcloud::io
