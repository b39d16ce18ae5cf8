#include "network/address.h"

#include <arpa/inet.h>

#include <cstring>

#include "crypto/hash.h"

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

Result<Ipv6> Ipv6::parse(std::string_view text) {
  Ipv6 address;
  std::string terminated(text);
  bool is_whole = terminated.find('\0') == std::string::npos;
  if (!is_whole || ::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) != 1) {
    return make_error(Code::Invalid, "\"" + terminated + "\" is no IPv6 address like fd12:3456:789a::7");
  }
  return address;
}

std::string Ipv6::text() const {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

Result<Range6> Range6::parse(std::string_view text) {
  const Error bad =
      make_error(Code::Invalid, "\"" + std::string(text) + "\" is no IPv6 range like fd12:3456:789a::/64");
  if (!text.ends_with("/64")) return bad;
  auto first = Ipv6::parse(text.substr(0, text.size() - 3));
  if (!first.has_value()) return bad;
  for (size_t i = 8; i < 16; ++i) {
    if (first->bytes[i] != 0) return bad;
  }
  return Range6{*first};
}

std::string Range6::text() const { return first.text() + "/64"; }

Ipv6 Range6::address_of(Ipv4 member) const {
  Ipv6 address = first;
  for (size_t i = 0; i < 4; ++i) address.bytes[12 + i] = static_cast<uint8_t>(member.value >> (24 - 8 * i));
  return address;
}

std::string ula_range(std::string_view chain_id, uint32_t vni) {
  Bytes number;
  append_u32_be(number, vni);
  Hash hash = crypto::blake2b({"mcloud/ula", chain_id, number});
  Range6 range;
  range.first.bytes[0] = 0xFD;
  std::memcpy(range.first.bytes.data() + 1, hash.data(), 5);
  return range.text();
}

std::string address6_of(std::string_view range6, Ipv4 member) {
  auto range = Range6::parse(range6);
  return range.has_value() ? range->address_of(member).text() : std::string();
}

Ipv6 link_local_of(Ipv4 address) {
  // RFC 4291 appendix A: the MAC with its universal bit turned and ff:fe in the middle.
  Ipv6 out;
  const uint8_t bytes[8] = {0x00, 0x6D, static_cast<uint8_t>(address.value >> 24), 0xFF, 0xFE,
                            static_cast<uint8_t>(address.value >> 16), static_cast<uint8_t>(address.value >> 8),
                            static_cast<uint8_t>(address.value)};
  out.bytes[0] = 0xFE;
  out.bytes[1] = 0x80;
  std::memcpy(out.bytes.data() + 8, bytes, sizeof bytes);
  return out;
}

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
