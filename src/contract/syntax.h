// Inside this room and for the wizards of the CLI: what names, paths and other small texts may look
// like. One place, so that the parser of files and the checks of signed bytes cannot disagree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace mcloud::contract {

struct Rule {
  bool (*holds)(std::string_view text);
  std::string_view allowed;  // in words
};

extern const Rule kNameRule;           // contracts, workloads, farms, roles
extern const Rule kPortNameRule;
extern const Rule kWhoRule;            // a person or a key
extern const Rule kNodeRule;           // NAME, FARM/NAME or a key
extern const Rule kCountryRule;
extern const Rule kLabelKeyRule;
extern const Rule kLabelValueRule;
extern const Rule kVariableNameRule;
extern const Rule kValueRule;          // environment values, arguments
extern const Rule kContainerPathRule;  // absolute, normal, not below /proc, /sys or /dev (but /dev/shm)
extern const Rule kFolderRule;         // absolute and normal, or "/"
extern const Rule kHttpPathRule;
extern const Rule kUserRule;
extern const Rule kImageSourceRule;
inline constexpr std::string_view kFlistPrefix = "fl:";  // of the sources whose images carry signatures
extern const Rule kDigestRule;
extern const Rule kProtocolRule;
extern const Rule kClaimRule;
extern const Rule kParameterNameRule;
extern const Rule kFragmentPathRule;   // below the folder of the file that names it
extern const Rule kChainIdRule;

// An IPv4 range, host bits zero.
struct AddressRange {
  uint32_t base = 0;
  int prefix = 32;

  uint64_t size() const { return 1ull << (32 - prefix); }
  bool overlaps(const AddressRange& other) const;
  std::string text() const;
};
// Strict "a.b.c.d/p", /8 to /28, private or shared address space only (RFC 1918, RFC 6598).
Result<AddressRange> parse_range(std::string_view text);
// Addresses for replicas: without the network's own, the gateway (.1) and the broadcast address.
uint64_t replicas_that_fit(const AddressRange& range);

// Text of strangers as it may stand in a message: one line, at most `bytes_max` bytes and "...", no character
// cut in two. `text` is UTF-8.
std::string shortened(std::string_view text, size_t bytes_max = 60);

// 1 to 65535, decimal, no leading zero.
std::optional<uint32_t> parse_port(std::string_view text);
// "tcp/8080".
std::string claim_name(std::string_view protocol, uint32_t port);

// Nearest of `candidates` to `text` by Damerau-Levenshtein distance, "" when none is near enough to be a slip.
template <typename Range>
std::string nearest_spelling(std::string_view text, const Range& candidates);

// Optimal string alignment distance: inserts, deletes, replacements and swaps of neighbours.
// Texts longer than 64 bytes count as far away.
size_t spelling_distance(std::string_view a, std::string_view b);
size_t spelling_distance_max(std::string_view text);

template <typename Range>
std::string nearest_spelling(std::string_view text, const Range& candidates) {
  std::string best;
  size_t best_distance = spelling_distance_max(text) + 1;
  for (const auto& candidate : candidates) {
    size_t distance = spelling_distance(text, candidate);
    if (distance < best_distance) {
      best = std::string(candidate);
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace mcloud::contract
