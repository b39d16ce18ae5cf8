#include "kv/index/checkpoint.h"

#include <algorithm>

#include "kv/index/index.h"
#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"
#include "kv/log/record.h"

namespace mcloud::kv {
namespace {

constexpr BytesView kMagic = "MCKVIDX1";
constexpr uint64_t kHashMask = (uint64_t{1} << 48) - 1;

Error corrupt(std::string why) { return make_error(Code::Corrupt, "index checkpoint: " + why); }

void encode_change(char* at, const Change& change, uint64_t begin) {
  uint64_t place = (change.position - begin) / 8;
  uint64_t previous = change.previous ? *change.previous / 8 + 1 : 0;
  store<uint64_t>(at, (change.hash & kHashMask) | (place & 0xffff) << 48);
  store<uint64_t>(at + 8, place >> 16 | uint64_t{change.is_deletion} << 17 | previous << 18);
}

Change decode_change(const char* at, uint64_t begin, size_t shard) {
  auto low = load<uint64_t>(at);
  auto high = load<uint64_t>(at + 8);
  Change change;
  change.hash = (low & kHashMask) | static_cast<uint64_t>(shard) << 58;
  change.position = begin + ((low >> 48) | (high & 0x1ffff) << 16) * 8;
  change.is_deletion = (high >> 17 & 1) != 0;
  if (uint64_t previous = high >> 18; previous != 0) change.previous = (previous - 1) * 8;
  return change;
}

}  // namespace

uint64_t CheckpointHead::offset(size_t shard) const {
  uint64_t at = kCheckpointHeadBytes;
  for (size_t i = 0; i < shard; ++i) at += uint64_t{sections[i].count} * kChangeBytes;
  return at;
}

Bytes encode_checkpoint(uint64_t begin, uint64_t end, const Totals& totals, const std::vector<Change>& changes,
                        uint32_t salt, std::optional<uint64_t> soonest_expiry_ms) {
  Bytes out(kCheckpointHeadBytes + changes.size() * kChangeBytes, '\0');
  CheckpointHead head;
  for (const Change& change : changes) ++head.sections[shard_of(change.hash)].count;
  std::array<uint64_t, kShards> next{};
  for (size_t shard = 0; shard < kShards; ++shard) next[shard] = head.offset(shard);
  for (const Change& change : changes) {
    uint64_t& at = next[shard_of(change.hash)];
    encode_change(out.data() + at, change, begin);
    at += kChangeBytes;
  }
  out.replace(0, kMagic.size(), kMagic);
  store(out.data() + 8, begin);
  store(out.data() + 16, end);
  store(out.data() + 24, totals.next_sequence);
  store(out.data() + 32, totals.next_id);
  store(out.data() + 40, totals.live_bytes);
  // 0 says none, and 1 has passed as long ago.
  store(out.data() + 48, soonest_expiry_ms ? std::max<uint64_t>(*soonest_expiry_ms, 1) : 0);
  for (size_t shard = 0; shard < kShards; ++shard) {
    uint64_t size = uint64_t{head.sections[shard].count} * kChangeBytes;
    store(out.data() + 56 + shard * 8, head.sections[shard].count);
    store(out.data() + 60 + shard * 8, crc32c(BytesView(out).substr(head.offset(shard), size)));
  }
  store(out.data() + 568, crc32c(BytesView(out).substr(0, 568), salt));
  return out;
}

Result<CheckpointHead> parse_checkpoint_head(BytesView head, uint64_t begin, uint64_t file_bytes, uint32_t salt) {
  if (head.size() < kCheckpointHeadBytes) return corrupt("too short");
  if (!head.starts_with(kMagic)) return corrupt("it does not begin with MCKVIDX1");
  if (load<uint32_t>(head.data() + 568) != crc32c(head.substr(0, 568), salt)) return corrupt("its head's check fails");
  CheckpointHead out{
      .begin = load<uint64_t>(head.data() + 8),
      .end = load<uint64_t>(head.data() + 16),
      .totals = {.next_sequence = load<uint64_t>(head.data() + 24),
                 .next_id = load<uint64_t>(head.data() + 32),
                 .live_bytes = load<uint64_t>(head.data() + 40)},
  };
  if (auto soonest = load<uint64_t>(head.data() + 48); soonest != 0) out.soonest_expiry_ms = soonest;
  for (size_t shard = 0; shard < kShards; ++shard) {
    out.sections[shard] = {load<uint32_t>(head.data() + 56 + shard * 8), load<uint32_t>(head.data() + 60 + shard * 8)};
  }
  if (out.begin != begin) return corrupt("it is of another place: " + std::to_string(out.begin));
  if (out.end < begin || out.end >= kPositionEnd || out.end - begin > kStretchBytesMax)
    return corrupt("its end is out of bounds");
  if (out.offset(kShards) != file_bytes) return corrupt("its size does not fit what it says");
  return out;
}

Result<std::vector<Change>> parse_section(const CheckpointHead& head, size_t shard, BytesView section) {
  const CheckpointHead::Section& about = head.sections[shard];
  if (section.size() != uint64_t{about.count} * kChangeBytes) return corrupt("a section's size does not fit");
  if (crc32c(section) != about.check) return corrupt("a section's check fails");
  std::vector<Change> changes;
  changes.reserve(about.count);
  for (size_t at = 0; at < section.size(); at += kChangeBytes) {
    Change change = decode_change(section.data() + at, head.begin, shard);
    if (change.position >= head.end || (change.previous && *change.previous >= change.position)) {
      return corrupt("an entry is out of bounds");
    }
    changes.push_back(change);
  }
  return changes;
}

}  // namespace mcloud::kv
