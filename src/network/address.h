// IPv4 addresses and ranges as values, and the one mapping from a member's address to its MAC.
#pragma once

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

// "02:6d:0a:2a:00:07" for 10.42.0.7: locally administered and a function of the address, so that a replica
// keeps its MAC when it moves and every node knows everybody's without asking.
std::string mac_of(Ipv4 address);

}  // namespace mcloud::network
