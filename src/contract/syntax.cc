#include "contract/syntax.h"

#include <algorithm>
#include <array>
#include <vector>

namespace mcloud::contract {
namespace {

constexpr size_t kValueBytesMax = 32 << 10;  // the kernel takes 128 KiB per string, 2 MiB in all
constexpr size_t kPathBytesMax = 1024;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

template <typename Holds>
bool all(std::string_view text, Holds holds) {
  return std::all_of(text.begin(), text.end(), holds);
}

bool is_word(std::string_view text, size_t length_max) {
  return !text.empty() && text.size() <= length_max && is_lower(text[0]) &&
         all(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}
bool is_name(std::string_view text) { return is_word(text, 40); }
bool is_port_name(std::string_view text) { return is_word(text, 15); }

bool is_hex(std::string_view text, size_t length) {
  return text.size() == length && all(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}
bool is_who(std::string_view text) { return is_word(text, 32) || is_hex(text, 64); }

bool is_node(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_name(text) || is_hex(text, 64);
  return is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

bool is_country(std::string_view text) {
  return text.size() == 2 && all(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}
bool is_label_key(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_lower(text[0]) &&
         all(text, [](char c) { return is_lower(c) || is_digit(c) || is_one_of(c, "-._/"); });
}
bool is_label_value(std::string_view text) {
  return text.size() <= 63 && all(text, [](char c) { return is_letter(c) || is_digit(c) || is_one_of(c, "-._"); });
}
bool is_variable_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && !is_digit(text[0]) &&
         all(text, [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}
bool is_value(std::string_view text) {
  return text.size() <= kValueBytesMax && text.find('\0') == std::string_view::npos;
}

bool is_folder(std::string_view text) {
  if (text == "/") return true;
  if (text.empty() || text.size() > kPathBytesMax || text[0] != '/' || text.back() == '/') return false;
  if (!all(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; })) return false;
  for (size_t start = 1; start <= text.size();) {
    size_t end = std::min(text.find('/', start), text.size());
    std::string_view part = text.substr(start, end - start);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    start = end + 1;
  }
  return true;
}

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}
bool is_container_path(std::string_view text) {
  if (text == "/" || !is_folder(text)) return false;
  if (is_below(text, "/proc") || is_below(text, "/sys")) return false;
  return !is_below(text, "/dev") || is_below(text, "/dev/shm");
}

bool is_visible_ascii(std::string_view text) {
  return all(text, [](char c) { return c > ' ' && c < 0x7f; });
}
bool is_http_path(std::string_view text) {
  return !text.empty() && text.size() <= kPathBytesMax && text[0] == '/' && is_visible_ascii(text);
}

bool is_user_part(std::string_view text) {
  return !text.empty() && text.size() <= 32 && !is_one_of(text[0], "-.") &&
         all(text, [](char c) { return is_letter(c) || is_digit(c) || is_one_of(c, "-._"); });
}
bool is_user(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos) return is_user_part(text);
  return is_user_part(text.substr(0, colon)) && is_user_part(text.substr(colon + 1));
}

// http(s)://HOST/NAME, without user and password: contracts are read by others.
bool is_web_address(std::string_view text) {
  size_t host = text.find("://");
  if (host == std::string_view::npos || !is_visible_ascii(text)) return false;
  text.remove_prefix(host + 3);
  size_t slash = text.find('/');
  return slash != 0 && slash != std::string_view::npos && slash + 1 < text.size() &&
         text.substr(0, slash).find('@') == std::string_view::npos;
}

bool is_image_source(std::string_view text) {
  if (text.size() > kPathBytesMax) return false;
  if (!all(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; })) return false;
  // "fl:https:x" is a slip, not a file.
  for (std::string_view scheme : {"fl:http:", "fl:https:"}) {
    if (text.starts_with(scheme) && !is_web_address(text.substr(kFlistPrefix.size()))) return false;
  }
  for (std::string_view prefix : {std::string_view("oci:"), std::string_view("docker-archive:"), std::string_view("docker://"), kFlistPrefix}) {
    if (text.starts_with(prefix)) return text.size() > prefix.size();
  }
  return false;
}
bool is_digest(std::string_view text) { return text.starts_with("sha256:") && is_hex(text.substr(7), 64); }
bool is_protocol(std::string_view text) { return text == "tcp" || text == "udp"; }

bool is_claim(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.size() > 40 || !is_name(text.substr(0, slash))) return false;
  std::string_view rest = text.substr(slash + 1);
  return !rest.empty() && all(rest, [](char c) { return is_lower(c) || is_digit(c) || is_one_of(c, "-."); });
}
bool is_parameter_name(std::string_view text) {
  return !text.empty() && text.size() <= 40 && is_letter(text[0]) &&
         all(text, [](char c) { return is_letter(c) || is_digit(c) || is_one_of(c, "-_"); });
}
bool is_fragment_path(std::string_view text) {
  return !text.empty() && text.size() <= 256 && is_folder("/" + std::string(text)) && text.find('\\') == std::string_view::npos;
}
bool is_chain_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         all(text, [](char c) { return is_letter(c) || is_digit(c) || is_one_of(c, "-._"); });
}

// 0 to 255 up to the next `stop` (or the end), advancing `text` behind it.
std::optional<uint32_t> take_number(std::string_view& text, char stop, uint32_t max) {
  size_t digits = 0;
  uint32_t value = 0;
  while (digits < text.size() && is_digit(text[digits]) && digits < 3) {
    value = value * 10 + static_cast<uint32_t>(text[digits++] - '0');
  }
  bool leading_zero = digits > 1 && text[0] == '0';
  if (digits == 0 || leading_zero || value > max) return std::nullopt;
  text.remove_prefix(digits);
  if (stop == '\0') return text.empty() ? std::optional(value) : std::nullopt;
  if (text.empty() || text[0] != stop) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

std::optional<AddressRange> read_range(std::string_view text) {
  AddressRange range;
  for (char stop : {'.', '.', '.', '/'}) {
    std::optional<uint32_t> part = take_number(text, stop, 255);
    if (!part) return std::nullopt;
    range.base = range.base << 8 | *part;
  }
  std::optional<uint32_t> prefix = take_number(text, '\0', 32);
  if (!prefix) return std::nullopt;
  range.prefix = static_cast<int>(*prefix);
  return range;
}

uint32_t mask_of(int prefix) { return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix); }

constexpr std::array<AddressRange, 4> kPrivate = {
    {{10u << 24, 8}, {172u << 24 | 16u << 16, 12}, {192u << 24 | 168u << 16, 16}, {100u << 24 | 64u << 16, 10}}};

bool is_private(const AddressRange& range) {
  return std::any_of(kPrivate.begin(), kPrivate.end(), [&](const AddressRange& outer) {
    return range.prefix >= outer.prefix && (range.base & mask_of(outer.prefix)) == outer.base;
  });
}

}  // namespace

const Rule kNameRule = {is_name, "a lower-case letter, then up to 39 lower-case letters, digits or \"-\""};
const Rule kPortNameRule = {is_port_name, "a lower-case letter, then up to 14 lower-case letters, digits or \"-\""};
const Rule kWhoRule = {is_who, "a person's name, 64 lower-case hex digits of a key, or \"owner\""};
const Rule kNodeRule = {is_node, "NODE, FARM/NODE or 64 lower-case hex digits of a node's key"};
const Rule kCountryRule = {is_country, "two capital letters (ISO 3166), such as BE"};
const Rule kLabelKeyRule = {is_label_key, "a lower-case letter, then up to 62 of a-z, 0-9, \"-\", \".\", \"_\", \"/\""};
const Rule kLabelValueRule = {is_label_value, "up to 63 letters, digits, \"-\", \".\", \"_\""};
const Rule kVariableNameRule = {is_variable_name, "up to 255 letters, digits or \"_\", no digit in front"};
const Rule kValueRule = {is_value, "up to 32 KiB without zero bytes"};
const Rule kContainerPathRule = {is_container_path,
                                 "an absolute path without \".\", \"..\", \"//\" or a \"/\" at its end, "
                                 "not below /proc, /sys or /dev (/dev/shm is)"};
const Rule kFolderRule = {is_folder, "an absolute path without \".\", \"..\", \"//\" or a \"/\" at its end"};
const Rule kHttpPathRule = {is_http_path, "a path that begins with \"/\", visible ASCII"};
const Rule kUserRule = {is_user, "USER, USER:GROUP or numbers"};
const Rule kImageSourceRule = {is_image_source,
                               "oci:FOLDER[:TAG], docker-archive:FILE[:REFERENCE], docker://REFERENCE, fl:FILE or "
                               "fl:http(s)://HOST/NAME"};
const Rule kDigestRule = {is_digest, "sha256: and 64 lower-case hex digits"};
const Rule kProtocolRule = {is_protocol, "tcp or udp"};
const Rule kClaimRule = {is_claim, "WORD/REST of lower-case letters and digits, such as tcp/8080"};
const Rule kParameterNameRule = {is_parameter_name, "a letter, then up to 39 letters, digits, \"-\" or \"_\""};
const Rule kFragmentPathRule = {is_fragment_path,
                                "a path below this file's folder, such as common/db.yaml, without \".\" and \"..\""};
const Rule kChainIdRule = {is_chain_id, "up to 64 letters, digits, \"-\", \".\", \"_\""};

bool AddressRange::overlaps(const AddressRange& other) const {
  uint32_t mask = mask_of(std::min(prefix, other.prefix));
  return (base & mask) == (other.base & mask);
}

std::string AddressRange::text() const {
  std::string out;
  for (int shift : {24, 16, 8, 0}) out += std::to_string(base >> shift & 255) + (shift == 0 ? "/" : ".");
  return out + std::to_string(prefix);
}

Result<AddressRange> parse_range(std::string_view text) {
  std::optional<AddressRange> range = read_range(text);
  if (!range) return make_error(Code::Invalid, "not an IPv4 range such as 10.7.0.0/16");
  if (range->prefix < 8 || range->prefix > 28) return make_error(Code::Invalid, "the prefix is /8 to /28");
  AddressRange network{range->base & mask_of(range->prefix), range->prefix};
  if (network.base != range->base) {
    return make_error(Code::Invalid, "has host bits set; the network is " + network.text());
  }
  if (!is_private(*range)) {
    return make_error(Code::Invalid, "not private; allowed: within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10");
  }
  return *range;
}

uint64_t replicas_that_fit(const AddressRange& range) { return range.size() - 3; }

std::string shortened(std::string_view text, size_t bytes_max) {
  size_t end = std::min(text.size(), bytes_max);
  auto is_inside_character = [&](size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  while (end < text.size() && end > 0 && is_inside_character(end)) --end;
  std::string out;
  for (char c : text.substr(0, end)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return end < text.size() ? out + "..." : out;
}

std::optional<uint32_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || text[0] == '0' || !all(text, is_digit)) return std::nullopt;
  uint32_t port = 0;
  for (char c : text) port = port * 10 + static_cast<uint32_t>(c - '0');
  return port <= 65535 ? std::optional(port) : std::nullopt;
}

std::string claim_name(std::string_view protocol, uint32_t port) {
  return std::string(protocol) + "/" + std::to_string(port);
}

size_t spelling_distance(std::string_view a, std::string_view b) {
  constexpr size_t kLengthMax = 64;
  if (a.size() > kLengthMax || b.size() > kLengthMax) return kLengthMax + std::max(a.size(), b.size());
  // Three rows of the usual table: two above are needed for swaps.
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

size_t spelling_distance_max(std::string_view text) { return text.size() <= 3 ? 1 : text.size() <= 7 ? 2 : 3; }

}  // namespace mcloud::contract
