#include "image/stores/store.h"

#include "image/stores/dir_store.h"
#include "image/stores/http_store.h"
#include "image/stores/kv_store.h"
#include "image/stores/s3_store.h"
#include "image/stores/store_url.h"

namespace mcloud::image {
namespace {

constexpr size_t kRangeBytes = 6;  // "00-80="

bool begins_with_range(std::string_view text) {
  return text.size() >= kRangeBytes && text[2] == '-' && text[5] == '=';
}

Result<uint8_t> parse_edge(std::string_view digits) {
  Result<Bytes> byte = from_hex(digits);
  if (byte.has_value()) return static_cast<uint8_t>((*byte)[0]);
  return make_error(Code::Invalid, "a route's range is two bytes in hexadecimal, as in 00-80=URL");
}

}  // namespace

Result<std::unique_ptr<BlockStore>> open_store(const std::string& text, const StoreOptions& options) {
  StoreUrl url = TRY(StoreUrl::parse(text));
  switch (url.kind) {
    case StoreUrl::Kind::Folder: return make_dir_store(url);
    case StoreUrl::Kind::Kv: return make_kv_store(url, options);
    case StoreUrl::Kind::S3: return make_s3_store(url, options);
    case StoreUrl::Kind::Http: return make_http_store(url, options);
  }
  return make_error(Code::Internal, "a store of an unknown kind");
}

Result<Route> parse_route(std::string_view text) {
  Route route;
  if (begins_with_range(text)) {
    route.first = TRY(parse_edge(text.substr(0, 2)));
    route.last = TRY(parse_edge(text.substr(3, 2)));
    if (route.first > route.last) return make_error(Code::Invalid, "a route's range ends before it begins");
    text.remove_prefix(kRangeBytes);
  }
  TRY(StoreUrl::parse(text));
  route.url = text;
  return route;
}

std::string without_secrets(const std::string& text) {
  Result<StoreUrl> url = StoreUrl::parse(text);
  if (url.has_value()) return url->without_secrets();
  // What is no URL of ours may have its secrets anywhere.
  size_t colon = text.find("://");
  return colon == std::string::npos || colon > 10 ? "" : text.substr(0, colon + 3);
}

}  // namespace mcloud::image
