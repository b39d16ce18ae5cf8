#include "image/source.h"

#include <algorithm>

namespace mcloud::image {
namespace {

constexpr size_t kSourceBytesMax = 4096;

Error not_a_source(std::string_view text, std::string_view why) {
  return make_error(Code::Invalid, "image source \"" + std::string(text.substr(0, 200)) + "\": " + std::string(why) +
                                       " (allowed: oci:FOLDER[:TAG], docker-archive:FILE[:REFERENCE], "
                                       "docker://HOST/NAME[:TAG], fl:FILE, fl:http(s)://HOST/NAME)");
}

// A path may hold no colon: as in skopeo, the first one ends it.
Source split_path(Source::Kind kind, std::string_view rest) {
  size_t colon = rest.find(':');
  Source source{kind, std::string(rest.substr(0, colon)), ""};
  if (colon != std::string_view::npos) source.tag = rest.substr(colon + 1);
  return source;
}

Source split_reference(std::string_view rest) {
  rest = rest.substr(0, rest.find('@'));
  size_t slash = rest.rfind('/');
  size_t colon = rest.find(':', slash == std::string_view::npos ? 0 : slash);  // not the port's
  Source source{Source::Kind::Registry, std::string(rest.substr(0, colon)), ""};
  if (colon != std::string_view::npos) source.tag = rest.substr(colon + 1);
  return source;
}

// "fl:https:x" is a slip, not a file.
Status check_address(std::string_view text, const Source& source) {
  if (!source.is_remote()) return {};
  size_t host = source.place.find("://");
  if (host == std::string::npos) return not_a_source(text, "an address begins with http:// or https://");
  size_t slash = source.place.find('/', host + 3);
  bool has_both = slash != std::string::npos && slash > host + 3 && slash + 1 < source.place.size();
  if (!has_both) return not_a_source(text, "it names no host, or nothing there");
  if (source.place.substr(host + 3, slash - host - 3).find('@') != std::string::npos)
    return not_a_source(text, "an address holds no user and password");
  return {};
}

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 127; });
}

}  // namespace

Result<Source> parse_source(std::string_view text) {
  if (text.size() > kSourceBytesMax) return not_a_source(text, "it is too long");
  constexpr std::string_view kOci = "oci:";
  constexpr std::string_view kArchive = "docker-archive:";
  constexpr std::string_view kRegistry = "docker://";
  constexpr std::string_view kFlist = "fl:";
  Source source;
  if (text.starts_with(kOci)) {
    source = split_path(Source::Kind::OciLayout, text.substr(kOci.size()));
  } else if (text.starts_with(kArchive)) {
    source = split_path(Source::Kind::DockerArchive, text.substr(kArchive.size()));
  } else if (text.starts_with(kRegistry)) {
    source = split_reference(text.substr(kRegistry.size()));
    if (!is_plain(text)) return not_a_source(text, "it has blanks or control characters");
  } else if (text.starts_with(kFlist)) {
    source = {Source::Kind::Flist, std::string(text.substr(kFlist.size())), ""};
    TRY(check_address(text, source));
    if (source.is_remote() && !is_plain(text)) return not_a_source(text, "it has blanks or control characters");
  } else {
    return not_a_source(text, "unknown kind");
  }
  if (source.place.empty()) return not_a_source(text, "it names no place");
  if (source.place.find('\0') != std::string::npos) return not_a_source(text, "it has a zero byte");
  return source;
}

}  // namespace mcloud::image
