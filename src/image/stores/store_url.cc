#include "image/stores/store_url.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "wire/http.h"

namespace mcloud::image {
namespace {

constexpr size_t kUrlBytesMax = 2048;  // the column of the public `.fl` format

struct Scheme {
  std::string_view name;
  StoreUrl::Kind kind;
  bool is_tls;
  uint16_t port;
  std::string_view form;
};

constexpr std::string_view kS3Form = "[KEY:SECRET@]HOST[:PORT]/BUCKET[?region=REGION], with / in the secret as %2F";
constexpr std::string_view kKvForm = "[user:password@]HOST[:PORT][/NAMESPACE]";
constexpr std::array kSchemes = {
    Scheme{"dir", StoreUrl::Kind::Folder, false, 0, "/PATH"},
    Scheme{"zdb", StoreUrl::Kind::Kv, false, 9900, kKvForm},
    Scheme{"kv", StoreUrl::Kind::Kv, false, 9900, kKvForm},
    Scheme{"s3", StoreUrl::Kind::S3, false, 80, kS3Form},
    Scheme{"s3s", StoreUrl::Kind::S3, true, 443, kS3Form},
    Scheme{"s3s+tls", StoreUrl::Kind::S3, true, 443, kS3Form},
    Scheme{"s3+tls", StoreUrl::Kind::S3, true, 443, kS3Form},
    Scheme{"http", StoreUrl::Kind::Http, false, 80, "HOST[:PORT][/PATH]"},
    Scheme{"https", StoreUrl::Kind::Http, true, 443, "HOST[:PORT][/PATH]"},
};

const Scheme* find_scheme(std::string_view name) {
  auto found = std::find_if(kSchemes.begin(), kSchemes.end(), [&](const Scheme& one) { return one.name == name; });
  return found == kSchemes.end() ? nullptr : &*found;
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool consists_of_name_characters(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_'; });
}

// Nothing behind the scheme is quoted: where a URL is broken, a password may be anywhere.
Error bad_url(const Scheme& scheme, std::string_view why) {
  return make_error(Code::Invalid, "store URL " + std::string(scheme.name) + "://...: " + std::string(why) +
                                       "; write " + std::string(scheme.name) + "://" + std::string(scheme.form));
}

Error unknown_scheme() {
  std::string message = "store URL: it begins with none of";
  for (const Scheme& one : kSchemes) message += " " + std::string(one.name) + "://";
  return make_error(Code::Invalid, message + "; for instance dir:///srv/blocks");
}

Status parse_port(const Scheme& scheme, std::string_view text, uint16_t& port) {
  const char* end = text.data() + text.size();
  auto [stopped, failed] = std::from_chars(text.data(), end, port);
  if (text.empty() || failed != std::errc() || stopped != end || port == 0) {
    return bad_url(scheme, "the port is not a number from 1 to 65535");
  }
  return {};
}

Status parse_host(const Scheme& scheme, std::string_view text, StoreUrl& url) {
  std::string_view port;
  if (text.starts_with('[')) {
    size_t end = text.find(']');
    if (end == std::string_view::npos) return bad_url(scheme, "the \"]\" is missing");
    url.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    bool is_address = std::all_of(url.host.begin(), url.host.end(), [](char c) {
      return is_letter_or_digit(c) || c == ':' || c == '.';
    });
    if (!is_address) return bad_url(scheme, "what stands in [] is no address");
  } else {
    url.host = text.substr(0, text.find(':'));
    port = text.substr(url.host.size());
    if (!consists_of_name_characters(url.host)) return bad_url(scheme, "the host has a character that no host has");
  }
  if (url.host.empty()) return bad_url(scheme, "the host is missing");
  url.port = scheme.port;
  if (port.empty()) return {};
  if (port[0] != ':') return bad_url(scheme, "behind the \"]\" comes : and a port, or nothing");
  return parse_port(scheme, port.substr(1), url.port);
}

Status parse_login(const Scheme& scheme, std::string_view text, StoreUrl& url) {
  size_t colon = text.find(':');
  auto user = wire::percent_decode(text.substr(0, colon));
  auto password = wire::percent_decode(colon == std::string_view::npos ? "" : text.substr(colon + 1));
  if (!user || !password) return bad_url(scheme, "a % in user or password is not followed by two hexadecimal digits");
  url.user = std::move(*user);
  url.password = std::move(*password);
  return {};
}

// The one name behind the host; "" when there is none.
Status parse_space(const Scheme& scheme, std::string_view path, StoreUrl& url) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  auto name = wire::percent_decode(path);
  if (!name || name->find('/') != std::string::npos || name->size() > 128) {
    return bad_url(scheme, "behind the host comes one name of at most 128 bytes");
  }
  url.space = std::move(*name);
  return {};
}

Status parse_s3(const Scheme& scheme, std::string_view path, std::string_view query, StoreUrl& url) {
  TRY(parse_space(scheme, path, url));
  bool is_bucket = url.space.size() >= 3 && url.space.size() <= 63 && consists_of_name_characters(url.space);
  if (!is_bucket) return bad_url(scheme, "a bucket's name has 3 to 63 letters, digits, \"-\", \".\" or \"_\"");
  if (url.user.empty() != url.password.empty()) return bad_url(scheme, "the key or its secret is missing");
  url.region = "us-east-1";
  if (query.empty()) return {};
  constexpr std::string_view region = "?region=";
  if (!query.starts_with(region)) return bad_url(scheme, "behind the ? only region= is known");
  url.region = query.substr(region.size());
  if (url.region.empty() || !consists_of_name_characters(url.region)) return bad_url(scheme, "that is no region");
  return {};
}

Status parse_behind_host(const Scheme& scheme, std::string_view path, StoreUrl& url) {
  size_t question = path.find_first_of("?#");
  std::string_view query = question == std::string_view::npos ? std::string_view() : path.substr(question);
  path = path.substr(0, question);
  if (scheme.kind == StoreUrl::Kind::S3) return parse_s3(scheme, path, query, url);
  if (!query.empty()) return bad_url(scheme, "it has a query or a fragment");
  if (scheme.kind == StoreUrl::Kind::Kv) return parse_space(scheme, path, url);
  if (!url.user.empty() || !url.password.empty()) return bad_url(scheme, "it has a user or a password");
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = path;
  return {};
}

}  // namespace

Result<StoreUrl> StoreUrl::parse(std::string_view text) {
  size_t colon = text.find("://");
  const Scheme* scheme = colon == std::string_view::npos ? nullptr : find_scheme(text.substr(0, colon));
  if (scheme == nullptr) return unknown_scheme();
  if (text.size() > kUrlBytesMax) return bad_url(*scheme, "it is longer than 2048 bytes");
  StoreUrl url;
  url.kind = scheme->kind;
  url.scheme = scheme->name;
  url.is_tls = scheme->is_tls;
  std::string_view rest = text.substr(colon + 3);
  bool is_local = url.kind == Kind::Folder || (url.kind == Kind::Kv && rest.starts_with('/'));
  bool is_clean = std::all_of(rest.begin(), rest.end(), [&](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte > ' ' ? byte < 0x7f || is_local : byte == ' ' && is_local;
  });
  if (!is_clean) return bad_url(*scheme, "it has blanks or characters that are not ASCII: percent-encode them");
  if (is_local) {
    if (!rest.starts_with('/')) return bad_url(*scheme, "the path is not absolute");
    while (rest.size() > 1 && rest.ends_with('/')) rest.remove_suffix(1);
    url.path = rest;
    return url;
  }
  size_t end = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, end);
  size_t at = authority.rfind('@');
  if (at != std::string_view::npos) TRY(parse_login(*scheme, authority.substr(0, at), url));
  TRY(parse_host(*scheme, at == std::string_view::npos ? authority : authority.substr(at + 1), url));
  TRY(parse_behind_host(*scheme, end == std::string_view::npos ? std::string_view() : rest.substr(end), url));
  return url;
}

std::string StoreUrl::without_secrets() const {
  std::string out = scheme + "://";
  if (host.empty()) return out + path;
  out += host.find(':') == std::string::npos ? host : "[" + host + "]";
  const Scheme* known = find_scheme(scheme);
  if (known == nullptr || port != known->port) out += ":" + std::to_string(port);
  if (kind == Kind::Http) return out + path;
  if (!space.empty()) out += "/" + wire::percent_encode(space);
  if (kind == Kind::S3 && region != "us-east-1") out += "?region=" + region;
  return out;
}

}  // namespace mcloud::image
