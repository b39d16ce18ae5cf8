// Keys of web servers and of accounts at certificate authorities: EC P-256 in PEM (OpenSSL). Thread-safe.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace mcloud::crypto {

// A new private key, PKCS #8 PEM; wipe it after use.
Bytes make_web_key();

// RFC 7638: SHA-256 of the public key as a JWK, base64url without padding, 43 characters. Invalid unless `pem` is a
// private EC P-256 key.
Result<std::string> web_key_thumbprint(BytesView pem);

// `chain` is one or more certificates in PEM, the first one is of the private key `pem` (of any kind). Invalid says
// which of the two is at fault. Neither dates nor signatures are looked at.
Status check_certificate_key(BytesView chain, BytesView pem);

}  // namespace mcloud::crypto
