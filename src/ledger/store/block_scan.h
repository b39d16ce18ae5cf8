// The chain's files from the first block to the last, read without changing anything, damaged or not: for those who
// check a ledger or a copy of one. From one thread; files that a server appends to meanwhile are read as far as they
// were when their turn came.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ledger/store/segment.h"

namespace mcloud::ledger {

// A block, or what stands where it should.
struct ScannedBlock {
  uint64_t height = 0;
  uint64_t last_height = 0;  // of a gap, whose blocks cannot be found; else = height
  std::string damage;        // "" = its record is whole; else what is wrong, with file and byte
  bool is_torn_end = false;  // nothing whole comes after: an append that is under way or was never acknowledged, or damage
  Bytes stored;              // as BlockStore keeps it; "" when it could not be read. Damaged ones may be unreadable inside
};

class BlockScan {
 public:
  // NotFound when the folder has no segments.
  static Result<BlockScan> open(const std::string& folder);

  // nullopt at the end. Errors only when the disk cannot be read.
  Result<std::optional<ScannedBlock>> next();

 private:
  Result<std::optional<ScannedBlock>> begin_segment();
  Result<ScannedBlock> skip_damage(const std::string& why);
  ScannedBlock gap(uint64_t from, uint64_t to, const std::string& why);

  std::map<uint64_t, std::string> segments_;  // those not begun: first height -> path
  std::optional<SegmentFile> file_;
  uint64_t size_ = 0;
  uint64_t offset_ = 0;
  uint64_t height_ = 0;  // of the next block
};

}  // namespace mcloud::ledger
