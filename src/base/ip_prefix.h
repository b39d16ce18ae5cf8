// IP addresses, ranges and endpoints of either family, as WireGuard speaks of them. Values; text is canonical (RFC 5952).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // network order; IPv4 in the first four, the rest zero
  bool is_v6 = false;

  static Result<IpAddress> parse(std::string_view text);
  // 4 or 16 bytes in network order.
  static Result<IpAddress> from_bytes(std::string_view bytes);
  std::string text() const;
  std::string_view raw() const { return {reinterpret_cast<const char*>(bytes.data()), is_v6 ? size_t{16} : size_t{4}}; }
  auto operator<=>(const IpAddress&) const = default;
};

struct IpPrefix {
  IpAddress address;
  int bits = 0;

  // "10.0.0.0/8", "fd00::/64"; Invalid when bits outside the prefix are set.
  static Result<IpPrefix> parse(std::string_view text);
  // "10.0.0.7/24" too: an address with the range it stands in.
  static Result<IpPrefix> parse_interface(std::string_view text);
  bool is_range() const;  // no bits outside the prefix
  bool holds(const IpAddress& other) const;  // false for one of the other family
  std::string text() const;
  auto operator<=>(const IpPrefix&) const = default;
};

struct IpEndpoint {
  IpAddress address;
  uint16_t port = 0;

  // "192.0.2.1:51820", "[2001:db8::1]:51820"; a zone ("%eth0") is read and dropped. Port 1 to 65535.
  static Result<IpEndpoint> parse(std::string_view text);
  std::string text() const;
  auto operator<=>(const IpEndpoint&) const = default;
};

}  // namespace mcloud
