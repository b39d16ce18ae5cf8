#include "kv/log/segment.h"

#include <charconv>
#include <optional>

#include "kv/log/record.h"

namespace mcloud::kv {
namespace {

constexpr size_t kDigits = 12;

std::string name_of(uint64_t begin, std::string_view suffix) {
  std::string digits(kDigits, '0');
  for (size_t i = kDigits; i-- > 0; begin >>= 4) digits[i] = "0123456789abcdef"[begin & 15];
  return digits + std::string(suffix);
}

std::optional<uint64_t> begin_of(std::string_view name, std::string_view suffix) {
  if (name.size() != kDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  uint64_t begin = 0;
  auto [end, failed] = std::from_chars(name.data(), name.data() + kDigits, begin, 16);
  if (failed != std::errc{} || end != name.data() + kDigits || name_of(begin, suffix) != name) return std::nullopt;
  return begin;
}

}  // namespace

std::string segment_name(uint64_t begin) { return name_of(begin, ".log"); }
std::string checkpoint_name(uint64_t begin) { return name_of(begin, ".index"); }
std::optional<uint64_t> begin_of_segment_name(std::string_view name) { return begin_of(name, ".log"); }
std::optional<uint64_t> begin_of_checkpoint_name(std::string_view name) { return begin_of(name, ".index"); }

Result<SegmentPtr> Segment::make(std::unique_ptr<File> file, uint64_t begin, uint64_t map_bytes) {
  std::unique_ptr<Mapping> mapping;
  if (map_bytes > 0) mapping = TRY(file->map(map_bytes));
  return SegmentPtr(new Segment(std::move(file), std::move(mapping), begin));
}

Status Segment::read(uint64_t position, char* to, size_t size) const {
  uint64_t offset = position - begin_;
  if (mapping_ && offset + size <= mapping_->size()) return mapping_->read(offset, to, size);
  if (TRY(file_->read(offset, to, size)) != size)
    return make_error(Code::Corrupt, "the file ends before the record does");
  return {};
}

}  // namespace mcloud::kv
