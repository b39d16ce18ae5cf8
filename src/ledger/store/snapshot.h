// A state as one file, to carry to another machine. Format, byte by byte: docs/reference/ledger.md.
#pragma once

#include "ledger/store/state_store.h"

namespace mcloud::ledger {

struct SnapshotContent {
  uint64_t height = 0;
  Hash state_hash;  // as the file says: nothing has been recomputed
  Overlay::Changes values;
};

// Exhausted when it would be larger than `bytes_max`.
Result<Bytes> encode_snapshot(const StateView& state, size_t bytes_max);
// Replaces `path` as a whole, synced.
Status write_snapshot(const StateView& state, const std::string& path);
// Corrupt unless exactly what encode_snapshot() makes.
Result<SnapshotContent> parse_snapshot(BytesView bytes);
Result<SnapshotContent> read_snapshot(const std::string& path);

}  // namespace mcloud::ledger
