#include "ledger/store/block_scan.h"

namespace mcloud::ledger {

Result<BlockScan> BlockScan::open(const std::string& folder) {
  BlockScan scan;
  for (const std::string& name : TRY(io::list_folder(folder))) {
    std::optional<uint64_t> first = height_of_segment_name(name);
    if (!first.has_value()) return make_error(Code::Corrupt, folder + "/" + name + ": not a segment of blocks");
    scan.segments_[*first] = folder + "/" + name;
  }
  if (scan.segments_.empty()) return make_error(Code::NotFound, folder + ": there are no blocks");
  return scan;
}

ScannedBlock BlockScan::gap(uint64_t from, uint64_t to, const std::string& why) {
  height_ = to + 1;
  return {from, to, why, false, {}};
}

// Opens the next file; what keeps its blocks from being read is the answer.
Result<std::optional<ScannedBlock>> BlockScan::begin_segment() {
  auto [first, path] = *segments_.begin();
  if (first > height_) {
    return gap(height_, first - 1, "missing: " + path + " begins with block " + std::to_string(first));
  }
  segments_.erase(segments_.begin());
  if (first < height_) return ScannedBlock{first, first, path + " begins with a block that stands in the file before", false, {}};
  Result<SegmentFile> file = SegmentFile::open(path, first, SegmentFile::Access::Read);
  if (!file.has_value() && file.error().code != Code::Corrupt) return file.error();
  if (!file.has_value()) {
    uint64_t last = segments_.empty() ? first : segments_.begin()->first - 1;
    return gap(first, last, file.error().message + "; its other blocks were not read");
  }
  file_ = std::move(*file);
  size_ = TRY(file_->size());
  offset_ = kSegmentHeaderSize;
  return std::nullopt;
}

// From bytes that are no record to the next that are one.
Result<ScannedBlock> BlockScan::skip_damage(const std::string& why) {
  std::optional<Record> next = TRY(file_->find_record_after(offset_, height_, size_));
  if (next.has_value()) {
    offset_ = next->offset;
    return gap(height_, next->height - 1, why);
  }
  bool is_end = segments_.empty();
  uint64_t last = is_end ? height_ : segments_.begin()->first - 1;
  file_.reset();
  ScannedBlock lost = gap(height_, last, why + (is_end ? ": an append that was never acknowledged, or a damaged last block" : ""));
  lost.is_torn_end = is_end;
  return lost;
}

Result<std::optional<ScannedBlock>> BlockScan::next() {
  while (!file_.has_value() || offset_ == size_) {
    file_.reset();
    if (segments_.empty()) return std::nullopt;
    std::optional<ScannedBlock> damage = TRY(begin_segment());
    if (damage.has_value()) return damage;
  }
  Result<Record> record = file_->record_at(offset_, height_, size_);
  if (!record.has_value() && record.error().code != Code::Corrupt) return record.error();
  if (!record.has_value()) return std::optional(TRY(skip_damage(record.error().message)));
  Result<Bytes> block = file_->block_of(*record);
  if (!block.has_value() && block.error().code != Code::Corrupt) return block.error();
  ScannedBlock scanned{height_, height_, "", false, {}};
  if (block.has_value()) {
    scanned.stored = std::move(*block);
  } else {
    scanned.damage = block.error().message;
    scanned.stored = TRY(file_->unchecked_block_of(*record));
    scanned.is_torn_end = segments_.empty() && record->end() == size_;
  }
  offset_ = record->end();
  ++height_;
  return scanned;
}

}  // namespace mcloud::ledger
