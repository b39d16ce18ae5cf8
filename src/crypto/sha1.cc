#include "crypto/sha1.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace mcloud::crypto {

Bytes sha1(BytesView bytes) {
  Bytes out(20, '\0');
  unsigned size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_sha1(),
                   nullptr) == 1);
  CHECK(size == out.size());
  return out;
}

}  // namespace mcloud::crypto
