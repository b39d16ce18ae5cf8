#include "ledger/state/addresses.h"

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
