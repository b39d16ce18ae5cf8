// IPv4 addresses and ranges as numbers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcloud::ledger {

// Strict dotted decimal without leading zeros.
std::optional<uint32_t> parse_ipv4(std::string_view text);
std::string format_ipv4(uint32_t address);

// IPv6 in the one form of RFC 5952: lower case, the longest run of zeros as "::", no embedded IPv4, no zone.
bool is_ipv6(std::string_view text);
// Either, and one that somebody can be reached at: no unspecified, loopback, link-local or multicast address.
bool is_reachable_address(std::string_view text);

struct Ipv4Range {
  uint32_t network = 0;
  uint32_t broadcast = 0;

  uint32_t gateway() const { return network + 1; }       // the node-local bridge has it on every node
  uint32_t first_lease() const { return network + 2; }
  uint32_t last_lease() const { return broadcast - 1; }
};
// "10.7.0.0/16", /8 to /28, host bits zero.
std::optional<Ipv4Range> parse_ipv4_range(std::string_view text);

}  // namespace mcloud::ledger
