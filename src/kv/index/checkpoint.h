// What a stretch of the log does to the index, in a small file beside its segment, so that opening reads no keys. Pure.
//
//   0   8   "MCKVIDX1"
//   8   8   first position of the stretch
//   16  8   its end
//   24  8   at its end: the next sequence
//   32  8   the next id (sequence mode)
//   40  8   bytes of live keys and values
//   48  8   the soonest expiry of a record of the stretch, whatever became of its key; 0: none of them expires
//   56  64 x { 4 entries of the shard, 4 CRC-32C of them }
//   568 4   CRC-32C, begun with the namespace's salt, over bytes 0..567
//   572 4   zero
//   576     entries, 16 bytes each, by shard, in the order of the log
//
//   entry: 8  bits 0..47 the hash's low 48 bits, 48..63 low 16 bits of the place
//          8  bits 0..16 high 17 bits of the place, 17 deletion, 18..63 previous
//   place: (position - first position) / 8; previous: position of the key's version before / 8 + 1, 0: none
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace mcloud::kv {

// What the log adds up to at one of its places.
struct Totals {
  uint64_t next_sequence = 1;
  uint64_t next_id = 0;
  uint64_t live_bytes = 0;
  bool operator==(const Totals&) const = default;
};

struct Change {
  uint64_t hash = 0;
  uint64_t position = 0;
  std::optional<uint64_t> previous;
  bool is_deletion = false;
  bool operator==(const Change&) const = default;
};

inline constexpr size_t kCheckpointHeadBytes = 576;
inline constexpr size_t kChangeBytes = 16;
inline constexpr uint64_t kStretchBytesMax = uint64_t{1} << 36;

struct CheckpointHead {
  uint64_t begin = 0;
  uint64_t end = 0;
  Totals totals;
  std::optional<uint64_t> soonest_expiry_ms;
  struct Section {
    uint32_t count = 0;
    uint32_t check = 0;
  };
  std::array<Section, 64> sections;
  uint64_t offset(size_t shard) const;  // in the file, of the shard's section
};

// `changes` in the order of the log, all within [begin, end).
Bytes encode_checkpoint(uint64_t begin, uint64_t end, const Totals& totals, const std::vector<Change>& changes,
                        uint32_t salt, std::optional<uint64_t> soonest_expiry_ms = {});
// Corrupt: not the checkpoint of a stretch that begins at `begin`, in a file of `file_bytes`.
Result<CheckpointHead> parse_checkpoint_head(BytesView head, uint64_t begin, uint64_t file_bytes, uint32_t salt);
// Corrupt: its check fails, or something lies outside the stretch.
Result<std::vector<Change>> parse_section(const CheckpointHead& head, size_t shard, BytesView section);

}  // namespace mcloud::kv
