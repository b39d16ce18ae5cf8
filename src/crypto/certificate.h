// X.509 certificates as PEM (OpenSSL): what servers show. For gateways: a placeholder until a real one is there, and what a chain
// from outside is worth. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::crypto {

// Signed by itself, valid from an hour ago for `days`; its subject is the first name, all are in its subjectAltName.
// Invalid when the key is no PEM key, or there is no name.
Result<std::string> make_self_signed(const std::string& key_pem, const std::vector<std::string>& dns_names, unsigned days);

struct CertificateFacts {
  uint64_t not_before_ms = 0;  // since 1970
  uint64_t not_after_ms = 0;
  std::vector<std::string> dns_names;  // of subjectAltName
  std::string pem;                     // chain and key, written afresh: nothing of the text around them
};

// The first certificate of a PEM chain, whose key must be `key_pem`. Invalid says what is wrong: no certificate, no key, a key of
// another certificate, more than 256 KiB, a chain whose next certificate did not sign the one before it.
Result<CertificateFacts> check_certificate(const std::string& chain_pem, const std::string& key_pem);

// When the first certificate of a PEM chain expires; the same errors, but for the key.
Result<uint64_t> certificate_expiry_ms(const std::string& chain_pem);

// True when a certificate for `names` is good for `host`: equal, or "*." in place of its first label.
bool covers(const std::vector<std::string>& names, const std::string& host);

}  // namespace mcloud::crypto
