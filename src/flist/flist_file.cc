#include "flist/flist_file.h"

#include <algorithm>

#include "flist/limits.h"
#include "flist/utf8.h"
#include "image/tree/names.h"
#include "io/file.h"

namespace mcloud::flist {
namespace {

Error wrong(const std::string& what) { return make_error(Code::Invalid, what); }

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Status check_tags(const Flist& flist) {
  if (flist.tags.size() > kTagsMax) return wrong("more than 256 tags");
  for (const auto& [key, value] : flist.tags) {
    bool is_text = is_utf8(key) && is_utf8(value) && (key + value).find('\0') == std::string::npos;
    if (key.empty() || key.size() > kTagKeyBytesMax || value.size() > kTagValueBytesMax || !is_text) {
      return wrong("tag " + image::shown(key) + ": a key has 1 to 64 bytes, a value up to 4096, both UTF-8");
    }
  }
  return {};
}

Status check_routes(const Flist& flist) {
  if (flist.routes.size() > kRoutesMax) return wrong("more than 256 routes");
  for (const image::Route& route : flist.routes) {
    if (route.first > route.last) return wrong("route " + image::shown(route.url) + ": its range is empty");
    if (route.url.empty() || route.url.size() > kUrlBytesMax || !is_printable(route.url)) {
      return wrong("route " + image::shown(route.url) + ": 1 to 2048 printable characters without spaces");
    }
  }
  return {};
}

}  // namespace

Status check_flist(const Flist& flist) {
  TRY(flist.image.check());
  return check_beside(flist);
}

Status check_beside(const Flist& flist) {
  TRY(check_tags(flist));
  TRY(check_routes(flist));
  if (flist.signatures.size() > kSignaturesMax) return wrong("more than 64 signatures");
  for (const ImageSignature& one : flist.signatures) {
    if (one.signature.size() != 64) return wrong("a signature has 64 bytes");
  }
  if (flist.trace.size() > kTraceLinesMax) return wrong("a trace has up to 4096 lines");
  for (const std::string& line : flist.trace) {
    if (line.empty() || line.size() > kTraceLineBytesMax || line.find('\0') != std::string::npos) {
      return wrong("trace: a line is \"path block\"");
    }
  }
  return {};
}

Status write_flist(const std::string& path, const Flist& flist) {
  Bytes bytes = TRY(format_flist(flist).with_context(path));
  return io::write_file(path, bytes, io::Durability::Fsync);
}

Result<Flist> read_flist(const std::string& path) {
  Bytes bytes = TRY(io::read_file(path, kFileBytesMax));
  return parse_flist(bytes).with_context(path);
}

ImageSignature sign_image(const crypto::SigningKey& key, const image::Digest& digest) {
  Bytes hash = from_hex(digest.hex()).value();  // a Digest is 64 hex digits
  return {key.public_key(), key.sign(kSignatureDomain, hash)};
}

bool verify_signature(const ImageSignature& signature, const image::Digest& digest) {
  Bytes hash = from_hex(digest.hex()).value();
  return crypto::verify(signature.signer, kSignatureDomain, hash, signature.signature);
}

}  // namespace mcloud::flist
