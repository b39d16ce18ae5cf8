#include "network/address.h"

namespace mcloud::network {
namespace {

// A decimal number up to `max` without leading zeros at the front of `text`; advances it.
Result<uint32_t> take_number(std::string_view& text, uint32_t max) {
  uint32_t value = 0;
  size_t digits = 0;
  while (digits < text.size() && digits < 4 && text[digits] >= '0' && text[digits] <= '9') {
    value = value * 10 + static_cast<uint32_t>(text[digits++] - '0');
  }
  bool leading_zero = digits > 1 && text[0] == '0';
  if (digits == 0 || leading_zero || value > max) {
    return make_error(Code::Invalid, "a number from 0 to " + std::to_string(max) + " is expected");
  }
  text.remove_prefix(digits);
  return value;
}

Result<Ipv4> take_address(std::string_view& text) {
  Ipv4 address;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (text.empty() || text[0] != '.') return make_error(Code::Invalid, "four numbers with dots are expected");
      text.remove_prefix(1);
    }
    address.value = address.value << 8 | TRY(take_number(text, 255));
  }
  return address;
}

uint32_t mask_of(int prefix) { return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix); }

}  // namespace

Result<Ipv4> Ipv4::parse(std::string_view text) {
  std::string_view rest = text;
  auto address = take_address(rest);
  if (!address.has_value() || !rest.empty()) {
    return make_error(Code::Invalid, "\"" + std::string(text) + "\" is no IPv4 address like 10.42.0.7");
  }
  return address;
}

std::string Ipv4::text() const {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (!out.empty()) out += '.';
    out += std::to_string(value >> shift & 255);
  }
  return out;
}

Result<Range> Range::parse(std::string_view text) {
  const Error bad = make_error(Code::Invalid, "\"" + std::string(text) + "\" is no IPv4 range like 10.42.0.0/16");
  std::string_view rest = text;
  auto address = take_address(rest);
  if (!address.has_value() || rest.empty() || rest[0] != '/') return bad;
  rest.remove_prefix(1);
  auto prefix = take_number(rest, 32);
  if (!prefix.has_value() || !rest.empty()) return bad;
  Range range{address.value(), static_cast<int>(prefix.value())};
  if ((range.first.value & ~mask_of(range.prefix)) != 0) {
    return make_error(Code::Invalid, "\"" + std::string(text) + "\" has bits set outside its prefix; did you mean " +
                                         Range{Ipv4{range.first.value & mask_of(range.prefix)}, range.prefix}.text() +
                                         "?");
  }
  return range;
}

std::string Range::text() const { return first.text() + "/" + std::to_string(prefix); }

bool Range::contains(Ipv4 address) const { return (address.value & mask_of(prefix)) == first.value; }

std::string mac_of(Ipv4 address) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "02:6d";
  for (int shift = 24; shift >= 0; shift -= 8) {
    uint32_t byte = address.value >> shift & 255;
    out += ':';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace mcloud::network
