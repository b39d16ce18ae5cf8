#include "ledger/state/addresses.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace mcloud::ledger {
namespace {

// Decimal without sign and leading zeros, at most `highest`; consumes it from `text`.
std::optional<uint32_t> take_number(std::string_view& text, uint32_t highest) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  size_t digits = static_cast<size_t>(end - text.data());
  if (error != std::errc() || value > highest || (digits > 1 && text[0] == '0')) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

using Ipv6 = std::array<uint16_t, 8>;

// One to four hexadecimal digits, consumed from `text`.
std::optional<uint16_t> take_group(std::string_view& text) {
  uint16_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + std::min<size_t>(text.size(), 4), value, 16);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// RFC 4291 2.2, forms 1 and 2.
std::optional<Ipv6> parse_ipv6(std::string_view text) {
  Ipv6 groups{};
  size_t count = 0;
  std::optional<size_t> gap;
  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (count == groups.size()) return std::nullopt;
    std::optional<uint16_t> group = take_group(text);
    if (!group) return std::nullopt;
    groups[count++] = *group;
    if (text.empty()) break;
    if (!text.starts_with(':')) return std::nullopt;
    text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
    if (!text.starts_with(':')) continue;
    if (gap) return std::nullopt;
    gap = count;
    text.remove_prefix(1);
  }
  if (!gap) return count == groups.size() ? std::optional(groups) : std::nullopt;
  if (count == groups.size()) return std::nullopt;
  std::rotate(groups.begin() + static_cast<ptrdiff_t>(*gap), groups.begin() + static_cast<ptrdiff_t>(count), groups.end());
  return groups;
}

// RFC 5952 4: the first of the longest runs of at least two zero groups is "::".
std::string format_ipv6(const Ipv6& groups) {
  size_t best = 0, best_length = 1;
  for (size_t i = 0; i < groups.size(); ++i) {
    size_t length = 0;
    while (i + length < groups.size() && groups[i + length] == 0) ++length;
    if (length > best_length) best = i, best_length = length;
  }
  std::string text;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (best_length > 1 && i == best) {
      text += "::";
      i += best_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    char digits[4];
    auto [end, error] = std::to_chars(digits, digits + sizeof digits, groups[i], 16);
    text.append(digits, end);
  }
  return text;
}

}  // namespace

std::optional<uint32_t> parse_ipv4(std::string_view text) {
  uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    std::optional<uint32_t> value = take_number(text, 255);
    if (!value) return std::nullopt;
    address = address << 8 | *value;
  }
  if (!text.empty()) return std::nullopt;
  return address;
}

std::string format_ipv4(uint32_t address) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (!text.empty()) text += '.';
    text += std::to_string(address >> shift & 255);
  }
  return text;
}

bool is_ipv6(std::string_view text) {
  std::optional<Ipv6> address = parse_ipv6(text);
  return address && format_ipv6(*address) == text;
}

bool is_reachable_address(std::string_view text) {
  if (std::optional<uint32_t> address = parse_ipv4(text)) {
    const uint32_t first = *address >> 24;
    return first != 0 && first != 127 && first < 224 && *address >> 16 != 0xa9fe;
  }
  if (!is_ipv6(text)) return false;
  const Ipv6 groups = *parse_ipv6(text);
  const bool is_low = std::all_of(groups.begin(), groups.end() - 1, [](uint16_t group) { return group == 0; });
  return !(is_low && groups[7] <= 1) && (groups[0] & 0xffc0) != 0xfe80 && groups[0] >> 8 != 0xff;
}

std::optional<Ipv4Range> parse_ipv4_range(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::optional<uint32_t> network = parse_ipv4(text.substr(0, slash));
  std::string_view rest = text.substr(slash + 1);
  std::optional<uint32_t> bits = take_number(rest, 28);
  if (!network || !bits || !rest.empty() || *bits < 8) return std::nullopt;
  uint32_t host = (1u << (32 - *bits)) - 1;
  if ((*network & host) != 0) return std::nullopt;
  return Ipv4Range{*network, *network | host};
}

}  // namespace mcloud::ledger
