// The `.fl` file: an image's metadata as an SQLite database that the public tools read, with our additions in
// tables of their own (docs/reference/fl.md). Not for files of strangers: those go through flist/import.h first.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/sign.h"
#include "image/tree/index.h"

namespace mcloud::flist {

struct ImageSignature {
  PublicKey signer;
  crypto::Signature signature;  // under domain kSignatureDomain, over the 32 bytes of the image's digest
  bool operator==(const ImageSignature&) const = default;
};
inline constexpr std::string_view kSignatureDomain = "mcloud image 1";

struct Flist {
  image::Image image;                       // covered by the digest
  std::vector<image::Route> routes;         // the rest is not: it may change without changing the image
  std::map<std::string, std::string> tags;  // version, description, author, custom; UTF-8, bounds in flist/limits.h
  std::vector<ImageSignature> signatures;
  std::vector<std::string> trace;           // start-up trace, "path block"
  bool operator==(const Flist&) const = default;
};

// Image, routes and the rest within their bounds: Invalid, Corrupt or Exhausted saying what is not.
Status check_flist(const Flist& flist);
Status check_beside(const Flist& flist);  // all but the image

// Equal flists have equal files (of one version of SQLite). Durable; replaces PATH as a whole.
Status write_flist(const std::string& path, const Flist& flist);
// Ours, or a public tool's without our tables (then digests of whole files and the rest are absent).
// Corrupt saying which row of which table and what is allowed.
Result<Flist> read_flist(const std::string& path);
// The same in memory: the file's bytes.
Result<Bytes> format_flist(const Flist& flist);
Result<Flist> parse_flist(BytesView bytes);

ImageSignature sign_image(const crypto::SigningKey& key, const image::Digest& digest);
bool verify_signature(const ImageSignature& signature, const image::Digest& digest);

}  // namespace mcloud::flist
