// One file of blocks. Inside this folder only; BlockStore puts segments together.
//
//   0   8  "MCBLOCK1"
//   8   8  height of the first block, u64be
//   16 16  salt: random, so that nobody can write a transaction that looks like a record of this file
//   32     records
//
//   record:
//   0   4  "BLK1"
//   4   4  length of the block, u32be
//   8   8  height, u64be
//   16  8  check: first 8 bytes of BLAKE2b(salt | height u64be | block)
//   24     block
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "io/file.h"

namespace mcloud::ledger {

inline constexpr size_t kSegmentHeaderSize = 32;
inline constexpr size_t kRecordHeaderSize = 24;

struct SegmentHeader {
  uint64_t first_height = 0;
  Bytes salt;  // 16 bytes
};

struct Record {
  uint64_t height = 0;
  uint64_t offset = 0;  // of the record's header
  uint64_t length = 0;  // of the block
  Bytes check;
  uint64_t end() const { return offset + kRecordHeaderSize + length; }
};

std::string segment_name(uint64_t first_height);                        // "00000000000000000000.blocks"
std::optional<uint64_t> height_of_segment_name(std::string_view name);  // nullopt: some other file

Bytes encode_segment_header(const SegmentHeader& header);
Bytes encode_record(const SegmentHeader& segment, uint64_t height, BytesView block);

class SegmentFile {
 public:
  enum class Access { Read, ReadWrite };
  // Corrupt when its header is not that of the segment its name says.
  static Result<SegmentFile> open(const std::string& path, uint64_t first_height, Access access = Access::ReadWrite);

  const SegmentHeader& header() const { return header_; }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  Result<uint64_t> size() const;

  // The header of the record at `offset`; Corrupt when none of `height` stands there whole.
  Result<Record> record_at(uint64_t offset, uint64_t height, uint64_t file_size) const;
  // Its block, checked.
  Result<Bytes> block_of(const Record& record) const;

  // As it stands there, whatever its check says.
  Result<Bytes> unchecked_block_of(const Record& record) const;

  // The first whole record above `height` that begins after `offset`.
  Result<std::optional<Record>> find_record_after(uint64_t offset, uint64_t height, uint64_t file_size) const;
  // Whether a whole record above `height` begins anywhere after `offset`: then what stands at `offset` is not the
  // torn end of the last append.
  Result<bool> has_record_after(uint64_t offset, uint64_t height, uint64_t file_size) const;

 private:
  Result<Bytes> read(uint64_t offset, size_t size) const;
  Bytes check_of(uint64_t height, BytesView block) const;

  std::string path_;
  io::Fd fd_;
  SegmentHeader header_;
};

}  // namespace mcloud::ledger
