#include "contract/web_syntax.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace mcloud::contract {
namespace {

constexpr size_t kDomainBytesMax = 253;  // RFC 1035 section 2.3.4, without the root's dot
constexpr size_t kLabelBytesMax = 63;
constexpr size_t kPathBytesMax = 256;
constexpr size_t kAddressBytesMax = 254;
constexpr size_t kDirectoryBytesMax = 512;
constexpr size_t kChainBytesMax = 64 << 10;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_plain(char c) { return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z'); }
bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

template <typename Holds>
bool all(std::string_view text, Holds holds) {
  return std::all_of(text.begin(), text.end(), holds);
}

// Letters, digits and inner hyphens (RFC 5890: what has hyphens third and fourth is an A-label or reserved).
bool is_label(std::string_view text, size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max || text.front() == '-' || text.back() == '-') return false;
  if (text.size() >= 4 && text.substr(2, 2) == "--" && !text.starts_with("xn--")) return false;
  return all(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

// Labels that look like others are not sold, so no xn-- here.
bool is_public_name(std::string_view text) {
  return text.size() >= 3 && is_label(text, 40) && !text.starts_with("xn--");
}

bool is_domain(std::string_view text) {
  if (text.size() > kDomainBytesMax) return false;
  std::string_view last;
  int labels = 0;
  for (size_t start = 0; start <= text.size(); ++labels) {
    size_t end = std::min(text.find('.', start), text.size());
    last = text.substr(start, end - start);
    if (!is_label(last, kLabelBytesMax)) return false;
    start = end + 1;
  }
  return labels >= 2 && !all(last, is_digit) && last != "internal" && last != "localhost" && last != "local";
}

bool is_device(std::string_view text) {
  return !text.empty() && text.size() <= 32 && is_lower(text[0]) &&
         all(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

bool is_path(std::string_view text, std::string_view marks) {
  return !text.empty() && text.size() <= kPathBytesMax && text[0] == '/' &&
         all(text, [&](char c) { return is_plain(c) || is_one_of(c, marks); });
}

bool is_route_path(std::string_view text) {
  if (!is_path(text, "/-._~")) return false;
  for (size_t start = 1; start < text.size();) {
    size_t end = std::min(text.find('/', start), text.size());
    std::string_view segment = text.substr(start, end - start);
    if (segment.empty() || segment == "." || segment == "..") return false;
    start = end + 1;
  }
  return text == "/" || text.back() != '/';
}
bool is_check_path(std::string_view text) { return is_path(text, "/-._~?=&%+,:@"); }

bool is_email(std::string_view text) {
  size_t at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at > 64 || text.size() > kAddressBytesMax) return false;
  return all(text.substr(0, at), [](char c) { return is_plain(c) || is_one_of(c, "-._+"); }) &&
         is_domain(text.substr(at + 1));
}

bool is_directory(std::string_view text) {
  constexpr std::string_view kScheme = "https://";
  if (!text.starts_with(kScheme) || text.size() > kDirectoryBytesMax) return false;
  text.remove_prefix(kScheme.size());
  return !text.empty() && text[0] != '/' &&
         all(text, [](char c) { return is_plain(c) || is_one_of(c, "/-._~:[]?=&%"); });
}

bool is_chain(std::string_view text) {
  return text.size() <= kChainBytesMax && text.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos &&
         text.find("PRIVATE") == std::string_view::npos &&
         all(text, [](char c) { return c == '\n' || c == '\r' || (c >= ' ' && c < 0x7f); });
}

// Sixteen bytes are enough for either family.
using Address = std::array<unsigned char, 16>;

bool has_host_bits(const Address& address, int bits, int prefix) {
  for (int bit = prefix; bit < bits; ++bit) {
    if ((address[static_cast<size_t>(bit / 8)] >> (7 - bit % 8) & 1) != 0) return true;
  }
  return false;
}

std::optional<int> read_prefix(std::string_view text, int bits) {
  if (text.empty() || text.size() > 3 || !all(text, is_digit) || (text.size() > 1 && text[0] == '0'))
    return std::nullopt;
  int value = 0;
  for (char c : text) value = value * 10 + (c - '0');
  return value <= bits ? std::optional(value) : std::nullopt;
}

}  // namespace

const Rule kPublicNameRule = {
    is_public_name, "3 to 40 of a-z, 0-9 and \"-\", not at its ends and not as its third and fourth character"};
const Rule kDomainRule = {is_domain,
                          "a whole name in lower case such as shop.example.org, no wildcard; other letters as xn--"};
const Rule kDeviceRule = {is_device, "a lower-case letter, then up to 31 lower-case letters, digits or \"-\""};
const Rule kRoutePathRule = {
    is_route_path,
    "\"/\" or whole segments such as /api/v1: letters, digits, \"-\", \".\", \"_\", \"~\", no \"/\" at its end"};
const Rule kCheckPathRule = {is_check_path, "a path such as /healthy, with a query if need be, up to 256 bytes"};
const Rule kEmailRule = {is_email, "an address such as ida@example.org"};
const Rule kDirectoryRule = {is_directory, "the https:// address of an ACME directory"};
const Rule kChainRule = {is_chain, "certificates in PEM, up to 64 KiB, and no key"};

Result<std::string> canonical_cidr(std::string_view text) {
  const std::string kWanted = "not an address or a range such as 192.0.2.0/24 or 2001:db8::/32";
  size_t slash = std::min(text.find('/'), text.size());
  const std::string host(text.substr(0, slash));
  const bool is_v6 = host.find(':') != std::string::npos;
  const int family = is_v6 ? AF_INET6 : AF_INET;
  const int bits = is_v6 ? 128 : 32;
  Address address{};
  const bool is_text =
      all(host, [](char c) { return is_plain(c) || c == '.' || c == ':'; });  // no zero that ends it early
  if (!is_text || host.size() > 45 || inet_pton(family, host.c_str(), address.data()) != 1)
    return make_error(Code::Invalid, kWanted);
  std::optional<int> prefix = slash == text.size() ? bits : read_prefix(text.substr(slash + 1), bits);
  if (!prefix) return make_error(Code::Invalid, kWanted);
  if (has_host_bits(address, bits, *prefix)) return make_error(Code::Invalid, "has host bits set");
  char out[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, address.data(), out, sizeof out);
  return std::string(out) + "/" + std::to_string(*prefix);
}

}  // namespace mcloud::contract
