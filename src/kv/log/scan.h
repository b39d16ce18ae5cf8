// What one segment's records add up to: the changes of the index, and every place that is not a sound record.
#pragma once

#include <array>
#include <vector>

#include "kv/index/index.h"
#include "kv/log/reader.h"
#include "kv/meta.h"

namespace mcloud::kv {

// What a run of records does to the totals.
struct Sum {
  uint64_t next_sequence = 0;  // 0: says nothing
  uint64_t next_id = 0;        // behind the highest id seen
  bool consumes_ids = false;  // sequence mode: every write takes one, updates and deletions too, as 0-db clients expect
  int64_t live_bytes = 0;

  void add(const Header& header, BytesView key, KeyMode mode);
  Totals applied_to(const Totals& before) const;
};

struct Scan {
  struct Place {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool is_zero = false;
    uint64_t cut = 0;  // where a log that ends here ends: `begin`, or the begin of the transaction that is open here
    Sum sum;           // of the records before `cut`
  };
  std::array<std::vector<Change>, kShards> changes;
  std::vector<Place> gaps;  // in order
  Place end;                // behind the last record or gap
  Sum sum;                  // of all records
  uint64_t durable = 0;     // some record knew that the log was durable up to here
  std::optional<uint64_t> soonest_expiry_ms;  // of any record
  uint64_t records = 0;
};

// A record whose value is bad counts as a gap, but its head is believed: reading its key must fail, not answer the
// past.
Result<Scan> scan_segment(RecordReader& reader, const HashKey& hash, KeyMode mode);

}  // namespace mcloud::kv
