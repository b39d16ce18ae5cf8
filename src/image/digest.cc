#include "image/digest.h"

#include "crypto/hash.h"

namespace mcloud::image {

Result<Digest> Digest::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  Digest digest;
  if (text.starts_with(kPrefix)) digest.hex_ = text.substr(kPrefix.size());
  if (digest.hex_.size() != 64 || digest.hex_.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return make_error(Code::Invalid, "digest \"" + std::string(text.substr(0, 100)) +
                                         "\" is not sha256: and 64 lower-case hex digits");
  }
  return digest;
}

Digest Digest::of(BytesView bytes) { return of_hash(crypto::sha256(bytes)); }

Digest Digest::of_hash(BytesView sha256) {
  Digest digest;
  digest.hex_ = to_hex(sha256);
  return digest;
}

Status expect_digest(const Digest& expected, const Digest& actual, std::string_view what) {
  if (expected == actual) return {};
  return make_error(Code::Corrupt, std::string(what) + " " + expected.text() + ": its content has the digest " +
                                       actual.text());
}

}  // namespace mcloud::image
