// IPv4 and IPv6 addresses and ranges as values, and what follows from a member's address: its MAC, its IPv6 address.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud::network {

struct Ipv4 {
  uint32_t value = 0;  // host order; 0 = none

  // "10.42.0.7": four decimal numbers without leading zeros. Invalid otherwise.
  static Result<Ipv4> parse(std::string_view text);
  std::string text() const;
  bool is_none() const { return value == 0; }
  auto operator<=>(const Ipv4&) const = default;
};

struct Range {
  Ipv4 first;
  int prefix = 0;  // bits, 0..32

  // "10.42.0.0/16"; Invalid when bits outside the prefix are set.
  static Result<Range> parse(std::string_view text);
  std::string text() const;
  bool contains(Ipv4 address) const;
  // The first usable address: on every node it is that node's own end of the network.
  Ipv4 gateway() const { return Ipv4{first.value + 1}; }
  auto operator<=>(const Range&) const = default;
};

struct Ipv6 {
  std::array<uint8_t, 16> bytes{};  // all zero = none

  // As people write it (RFC 4291 2.2). Invalid otherwise; no zone.
  static Result<Ipv6> parse(std::string_view text);
  std::string text() const;  // RFC 5952
  bool is_none() const { return *this == Ipv6(); }
  auto operator<=>(const Ipv6&) const = default;
};

// The IPv6 range of a network: always a /64.
struct Range6 {
  Ipv6 first;

  // "fd12:3456:789a::/64"; Invalid for another prefix or when bits outside it are set.
  static Result<Range6> parse(std::string_view text);
  std::string text() const;
  // The interface id is 0:0:a.b.c.d of the member's IPv4 address.
  Ipv6 address_of(Ipv4 member) const;
  auto operator<=>(const Range6&) const = default;
};

// "fd12:3456:789a::/64": fd, 40 bits of BLAKE2b("mcloud/ula" | chain id | VNI as 4 bytes, the highest first), 16 zero
// bits. The same on all nodes of a ledger.
std::string ula_range(std::string_view chain_id, uint32_t vni);
// The IPv6 address of a member, "fd12:3456:789a::a2a:7"; "" when `range6` is "" or no range.
std::string address6_of(std::string_view range6, Ipv4 member);

// "02:6d:0a:2a:00:07" for 10.42.0.7: locally administered and a function of the address, so that a replica
// keeps its MAC when it moves and every node knows everybody's without asking.
std::string mac_of(Ipv4 address);
// The link-local address that the kernel makes of that MAC: fe80::6d:aff:fe2a:7.
Ipv6 link_local_of(Ipv4 address);

}  // namespace mcloud::network
