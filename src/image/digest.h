// Digests as OCI writes them: "sha256:" and 64 lower-case hex digits.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mcloud::image {

class Digest {
 public:
  // Invalid, naming the text, for anything but a sha256 digest.
  static Result<Digest> parse(std::string_view text);
  static Digest of(BytesView bytes);
  static Digest of_hash(BytesView sha256);  // 32 bytes

  const std::string& hex() const { return hex_; }
  std::string text() const { return "sha256:" + hex_; }
  bool operator==(const Digest&) const = default;

 private:
  std::string hex_;
};

// Corrupt, naming what was asked for and what came, unless equal.
Status expect_digest(const Digest& expected, const Digest& actual, std::string_view what);

}  // namespace mcloud::image
