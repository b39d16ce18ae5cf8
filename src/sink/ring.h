// The last log batches of one contract, in files, up to a quota: the oldest go first.
//
//   FOLDER/<first number, 16 hex>.seg    records of about 1/8 of the quota:
//     +--------+------------------+------------------------+
//     | length | checksum         | pb::StoredBatch        |
//     | u32 be | 8 of BLAKE2b-256 | `length` bytes         |
//     +--------+------------------+------------------------+
//
// A crash may lose what the kernel had not written yet (nothing is fsynced: these are logs), never what is
// before it: a torn tail is cut off when the ring is opened. Numbers begin at 1 and grow by one, so what was
// dropped can be told: everything below first_number(). Only numbers that a power loss took may be given again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "mcloud/sink.pb.h"

namespace mcloud::sink {

// Not thread-safe.
class Ring {
 public:
  // Makes the folder. Damage in the middle of a segment ends that segment there.
  static Result<Ring> open(std::string folder, uint64_t quota_bytes);

  // Gives it the next number. Exhausted when it alone is larger than a segment may be.
  Result<uint64_t> append(pb::StoredBatch batch);

  // Batches with number > `after`, in order, until `visit` returns false.
  Status each(uint64_t after, const std::function<bool(const pb::StoredBatch&)>& visit) const;

  uint64_t first_number() const { return segments_.empty() ? next_ : segments_.front().first; }
  uint64_t next_number() const { return next_; }
  uint64_t bytes() const;
  // When the newest batch was received, wall clock; 0 = there is none.
  uint64_t newest_ms() const { return newest_ms_; }
  // Drops the oldest segment unless it is the only one; false when nothing went.
  bool drop_segment();

 private:
  struct Segment {
    uint64_t first = 0;
    uint64_t bytes = 0;
  };
  Status load();
  Status scan(Segment& segment);
  Status write_record(const Segment& segment, BytesView record) const;
  Status drop_oldest();
  std::string path_of(const Segment& segment) const;

  std::string folder_;
  uint64_t quota_bytes_ = 0;
  std::vector<Segment> segments_;
  uint64_t next_ = 1;
  uint64_t newest_ms_ = 0;
};

}  // namespace mcloud::sink
