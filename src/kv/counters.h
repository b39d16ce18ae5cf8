// What a server counts. Each loop counts for itself, on cache lines that no other loop writes; who wants to know adds
// up. Counting costs a load and a store, no lock and no clock.
#pragma once

#include <array>
#include <cstdint>

#include "kv/times.h"

namespace mcloud::kv {

inline constexpr size_t kCommandsMax = 96;  // in one dialect's table

// One loop's.
struct alignas(128) Tallies {
  // By the command's place in its dialect's table; the last place is for what is no command. First those that were
  // answered, then those that were answered with an error.
  using ByCommand = std::array<std::array<Tally, 2>, kCommandsMax + 1>;
  std::array<ByCommand, 2> commands;  // by dialect
  Tally run, failed, unauthorized;
  Tally late_errors;  // replies that a failed flush or sync turned into an error after the command had run
  Tally writes;       // keys written or removed
  Tally bytes_in, bytes_out;
  Tally tls_failures;
  Times reads, updates;  // from the round's begin to its last reply sent (durability always: to its sync)
  // Of the round that runs; the loop's alone.
  uint64_t round_reads = 0, round_updates = 0;
};

// The sum of all loops, at about one moment.
struct Counters {
  uint64_t connections_ever = 0, connections = 0, refused = 0;
  uint64_t commands = 0, failed = 0, unauthorized = 0, late_errors = 0, writes = 0;
  uint64_t bytes_in = 0, bytes_out = 0, tls_failures = 0;
  TimesCount reads, updates;
  std::array<std::array<std::array<uint64_t, 2>, kCommandsMax + 1>, 2> by_command{};
};

}  // namespace mcloud::kv
