#include "kv/log/scan.h"

#include <algorithm>

#include "kv/log/bytes.h"

namespace mcloud::kv {

void Sum::add(const Header& header, BytesView key, KeyMode mode) {
  live_bytes += static_cast<int64_t>(header.live_bytes()) - static_cast<int64_t>(header.replaced_bytes());
  next_sequence = std::max(next_sequence, header.sequence + 1);
  if (mode != KeyMode::Sequence || key.size() != 8) return;
  consumes_ids = true;
  next_id = std::max(next_id, load<uint64_t>(key.data()) + 1);
}

Totals Sum::applied_to(const Totals& before) const {
  // Where records were lost to corruption the difference may be too large: never below nothing.
  int64_t live = static_cast<int64_t>(before.live_bytes) + live_bytes;
  uint64_t sequence = std::max(before.next_sequence, next_sequence);
  uint64_t consumed = consumes_ids ? sequence - before.next_sequence : 0;
  return {sequence, std::max(before.next_id + consumed, next_id), static_cast<uint64_t>(std::max<int64_t>(live, 0))};
}

Result<Scan> scan_segment(RecordReader& reader, const HashKey& hash, KeyMode mode) {
  Scan scan;
  std::optional<Scan::Place> open;  // the begin of the transaction that the records before belong to
  auto place = [&](uint64_t begin, uint64_t end, bool is_zero) {
    if (open) return Scan::Place{begin, end, is_zero, open->cut, open->sum};
    return Scan::Place{begin, end, is_zero, begin, scan.sum};
  };
  while (true) {
    RecordReader::Item item = TRY(reader.next());
    if (item.kind == RecordReader::Item::Kind::End) {
      scan.end = place(item.begin, item.end, false);
      return scan;
    }
    if (item.kind == RecordReader::Item::Kind::Gap) {
      scan.gaps.push_back(place(item.begin, item.end, item.is_zero));
      open.reset();
    }
    if (!item.header) continue;
    const Header& header = *item.header;
    if (item.kind == RecordReader::Item::Kind::Record) {
      if (header.continues && !open) open = place(item.begin, item.begin, false);
      if (!header.continues) open.reset();
    }
    uint64_t hashed = hash_key(hash, item.key);
    scan.changes[shard_of(hashed)].push_back({hashed, header.position, header.previous, header.is_deletion});
    scan.sum.add(header, item.key, mode);
    scan.durable = std::max(scan.durable, header.durable());
    if (header.expiry_ms) scan.soonest_expiry_ms = std::min(*header.expiry_ms, scan.soonest_expiry_ms.value_or(~0ull));
    ++scan.records;
  }
}

}  // namespace mcloud::kv
