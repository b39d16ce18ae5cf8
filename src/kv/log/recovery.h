// Opens a namespace's log: finds its end, cuts what a power cut has torn, reports what the disk has lost, fills the
// index.
#pragma once

#include <map>

#include "kv/index/index.h"
#include "kv/log/log.h"
#include "kv/meta.h"

namespace mcloud::kv {

struct Recovered {
  Segments segments;
  uint64_t end = 0;
  Totals totals;
  std::map<uint64_t, Totals> ends;           // of sealed segments, by their begin: the totals at their end
  std::vector<uint64_t> without_checkpoint;  // of sealed segments
  std::map<uint64_t, uint64_t> expiring;     // segments with records that expire, by their begin: the soonest expiry
  struct Fault {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  std::vector<Fault> faults;   // were durable once and are no sound records now
  uint64_t cut_bytes = 0;      // of a torn tail
  uint64_t scanned_bytes = 0;  // without a checkpoint
};

// `index` is empty. Afterwards everything in the log is durable and nothing that was cut can come back.
Result<Recovered> recover_log(Disk& disk, const Log::Options& options, const Meta& meta, Index& index);

}  // namespace mcloud::kv
