// Who wrote which stretch of a namespace's log, and so where two logs with one log id agree. Pure.
//
// A master begins a *generation* before its first write after every opening: from that position on what stands in the
// log was written under (term, number), and under one (term, number, mark) a position has one content, everywhere, for
// ever. `mark` is random: it tells two masters apart that people promoted into the same term by mistake.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace mcloud::kv {

struct Generation {
  uint64_t term = 0;
  uint64_t number = 0;  // of the openings within the term, from 1
  uint32_t mark = 0;
  uint64_t from = 0;  // position
  bool operator==(const Generation&) const = default;
};

// Ordered: (term, number) and `from` rise strictly. At most kGenerationsMax: the oldest are forgotten.
using Lineage = std::vector<Generation>;
inline constexpr size_t kGenerationsMax = 256;

// A namespace's end, as elections compare it: who has the higher one has everything that the other has acknowledged.
struct Rank {
  uint64_t term = 0;
  uint64_t generation = 0;
  uint64_t position = 0;  // durable
  auto operator<=>(const Rank&) const = default;
};
Rank rank_of(const Lineage& lineage, uint64_t durable);

// The largest position before which both logs are known to have the same content; `end`: where each ends.
//
// An entry that both have means that its writer's log up to it is in both. Behind it they agree until one of them ends
// or goes on under another generation.
uint64_t common_end(const Lineage& one, uint64_t end_of_one, const Lineage& other, uint64_t end_of_other);

// What is still true of a log that ends at `end`.
Lineage trimmed(Lineage lineage, uint64_t end);
// With `next` behind it; entries that wrote nothing (from the same position on) are replaced.
Lineage extended(Lineage lineage, const Generation& next);
// The entry that a master of `term` begins at `position` with. Denied: the log was written under a later term.
Result<Generation> next_generation(const Lineage& lineage, uint64_t term, uint64_t position, uint32_t mark);

// "TERM.NUMBER.MARK.FROM" each, decimal, a blank between; empty: none. parse_lineage(): Corrupt unless it is exactly
// what text_of() makes.
std::string text_of(const Lineage& lineage);
Result<Lineage> parse_lineage(BytesView text);

}  // namespace mcloud::kv
