// One round of asking several stores for one block: the first one, the next when it failed or takes too long, until
// one brings the right bytes or all have said no.
#pragma once

#include <optional>
#include <vector>

#include "image/stores/routed_store.h"

namespace mcloud::image {

struct RaceOptions {
  uint64_t hedge_ms = 0;
  uint64_t try_timeout_ms = 0;
  uint64_t deadline_ms = 0;  // of io::SystemClock
};

struct RaceOutcome {
  std::optional<Bytes> plain;
  std::vector<Error> errors;  // without it: one for each store, in the order of `stores`
};

// Blocks until then. Stores that are still busy go on on their own threads; they outlive it, or are ended by their
// destructor.
RaceOutcome run_race(const std::vector<RoutedStore*>& stores, const BlockRef& ref, uint64_t plain_bytes,
                     const RaceOptions& options);

}  // namespace mcloud::image
