#include "ledger/store/segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "crypto/hash.h"
#include "ledger/store/block_store.h"

namespace mcloud::ledger {
namespace {

constexpr std::string_view kMagic = "MCBLOCK1";
constexpr std::string_view kMarker = "BLK1";
constexpr std::string_view kSuffix = ".blocks";
constexpr size_t kNameDigits = 20;
constexpr size_t kCheckSize = 8;

Bytes salted_check(BytesView salt, uint64_t height, BytesView block) {
  Bytes number;
  append_u64_be(number, height);
  return Bytes(crypto::blake2b({salt, number, block}).view().substr(0, kCheckSize));
}

uint32_t read_u32_be(BytesView bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

std::string segment_name(uint64_t first_height) {
  std::string digits = std::to_string(first_height);
  return std::string(kNameDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

std::optional<uint64_t> height_of_segment_name(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t height = 0;
  const char* end = name.data() + kNameDigits;
  auto [stopped, error] = std::from_chars(name.data(), end, height);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return height;
}

Bytes encode_segment_header(const SegmentHeader& header) {
  Bytes out(kMagic);
  append_u64_be(out, header.first_height);
  out += header.salt;
  return out;
}

Bytes encode_record(const SegmentHeader& segment, uint64_t height, BytesView block) {
  Bytes out;
  out.reserve(kRecordHeaderSize + block.size());
  out += kMarker;
  append_u32_be(out, static_cast<uint32_t>(block.size()));
  append_u64_be(out, height);
  out += salted_check(segment.salt, height, block);
  out += block;
  return out;
}

Result<SegmentFile> SegmentFile::open(const std::string& path, uint64_t first_height, Access access) {
  SegmentFile file;
  file.path_ = path;
  file.fd_ = io::Fd(::open(path.c_str(), (access == Access::Read ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW));
  if (!file.fd_.is_open()) return errno_error(errno, "open " + path);
  Bytes header = TRY(file.read(0, kSegmentHeaderSize));
  BytesView view = header;
  if (!view.starts_with(kMagic) || read_u64_be(view.substr(8, 8)) != first_height) {
    return make_error(Code::Corrupt,
                      path + ": does not begin like the segment of block " + std::to_string(first_height));
  }
  file.header_ = {first_height, Bytes(view.substr(16))};
  return file;
}

Result<uint64_t> SegmentFile::size() const {
  struct stat about{};
  if (::fstat(fd_.get(), &about) != 0) return errno_error(errno, "stat " + path_);
  return static_cast<uint64_t>(about.st_size);
}

Result<Bytes> SegmentFile::read(uint64_t offset, size_t size) const {
  Bytes bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    ssize_t count = ::pread(fd_.get(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "read " + path_);
    if (count == 0) return make_error(Code::Corrupt, path_ + ": ends at byte " + std::to_string(offset + done));
    done += static_cast<size_t>(count);
  }
  return bytes;
}

Bytes SegmentFile::check_of(uint64_t height, BytesView block) const {
  return salted_check(header_.salt, height, block);
}

Result<Record> SegmentFile::record_at(uint64_t offset, uint64_t height, uint64_t file_size) const {
  Error damaged = make_error(Code::Corrupt, path_ + ": no whole record of block " + std::to_string(height) +
                                                " stands at byte " + std::to_string(offset));
  if (offset + kRecordHeaderSize > file_size) return damaged;
  Bytes bytes = TRY(read(offset, kRecordHeaderSize));
  BytesView view = bytes;
  Record record{read_u64_be(view.substr(8, 8)), offset, read_u32_be(view.substr(4, 4)), Bytes(view.substr(16))};
  if (!view.starts_with(kMarker) || record.height != height || record.length > kBlockBytesMax ||
      record.end() > file_size) {
    return damaged;
  }
  return record;
}

Result<Bytes> SegmentFile::unchecked_block_of(const Record& record) const {
  return read(record.offset + kRecordHeaderSize, record.length);
}

Result<Bytes> SegmentFile::block_of(const Record& record) const {
  Bytes block = TRY(unchecked_block_of(record));
  if (check_of(record.height, block) != record.check) {
    return make_error(Code::Corrupt, path_ + ": block " + std::to_string(record.height) + " at byte " +
                                         std::to_string(record.offset) + " fails its check");
  }
  return block;
}

Result<std::optional<Record>> SegmentFile::find_record_after(uint64_t offset, uint64_t height, uint64_t file_size) const {
  Bytes bytes = TRY(read(offset, file_size - offset));
  BytesView view = bytes;
  for (size_t at = view.find(kMarker, 1); at != BytesView::npos; at = view.find(kMarker, at + 1)) {
    if (at + kRecordHeaderSize > view.size()) break;
    BytesView header = view.substr(at, kRecordHeaderSize);
    Record record{read_u64_be(header.substr(8, 8)), offset + at, read_u32_be(header.substr(4, 4)), Bytes(header.substr(16))};
    if (record.height <= height || record.end() > file_size) continue;
    if (check_of(record.height, view.substr(at + kRecordHeaderSize, record.length)) == record.check) return record;
  }
  return std::nullopt;
}

Result<bool> SegmentFile::has_record_after(uint64_t offset, uint64_t height, uint64_t file_size) const {
  if (file_size - offset > kRecordHeaderSize + kBlockBytesMax) return true;  // more than one append can leave behind
  return TRY(find_record_after(offset, height, file_size)).has_value();
}

}  // namespace mcloud::ledger
