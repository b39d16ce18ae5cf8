#include "kv/log/reader.h"

#include <algorithm>

#include "kv/log/bytes.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kWindowBytes = 1 << 20;

}  // namespace

RecordReader::RecordReader(Source source, uint64_t begin, uint64_t size, uint32_t salt, uint64_t from)
    : source_(std::move(source)), begin_(begin), size_(size), salt_(salt), at_(from) {}

Result<BytesView> RecordReader::view(uint64_t position, uint64_t size) {
  size = std::min(size, end() - position);
  bool is_there = position >= buffer_begin_ && position + size <= buffer_begin_ + buffer_.size();
  if (!is_there) {
    uint64_t wanted = std::min(std::max(size, kWindowBytes), end() - position);
    buffer_.resize(wanted);
    buffer_begin_ = position;
    buffer_.resize(TRY(source_(position - begin_, buffer_.data(), wanted)));
    size = std::min<uint64_t>(size, buffer_.size());
  }
  return BytesView(buffer_).substr(position - buffer_begin_, size);
}

Result<std::optional<Header>> RecordReader::head_at(uint64_t position) {
  BytesView bytes = TRY(view(position, kHeadBytesMax));
  std::optional<Header> header = parse_header(bytes, position);
  if (!header || !head_is_sound(*header, bytes, salt_) || header->end() > end()) return std::optional<Header>();
  return header;
}

Result<RecordReader::Item> RecordReader::next() {
  if (at_ >= end()) return Item{.kind = Item::Kind::End, .begin = at_, .end = at_};
  std::optional<Header> header = TRY(head_at(at_));
  if (!header) return gap_from(at_);
  Item item{.kind = Item::Kind::Record, .begin = at_, .end = header->end(), .header = header};
  BytesView bytes = TRY(view(at_, header->record_bytes()));
  at_ = item.end;
  item.key = bytes.substr(kHeaderBytes, header->key_bytes);
  item.value = bytes.substr(header->head_bytes(), header->value_bytes);
  bool is_whole = bytes.size() == header->record_bytes() && value_is_sound(*header, item.value);
  if (!is_whole) item.kind = Item::Kind::Gap;
  return item;
}

Result<RecordReader::Item> RecordReader::gap_from(uint64_t position) {
  Item gap{.kind = Item::Kind::Gap, .begin = position, .end = end(), .is_zero = true};
  for (uint64_t at = position; at < end();) {
    BytesView bytes = TRY(view(at, kWindowBytes));
    if (bytes.empty()) break;  // shorter than it was
    if (bytes.size() == kWindowBytes && is_zero(bytes)) {
      at += bytes.size() - kHeaderBytes;  // a header may begin in the zeros and have its position behind them
      continue;
    }
    // Every sound record says its own position, so few places need a closer look.
    size_t looked = 0;
    for (; looked + kHeaderBytes <= bytes.size(); looked += 8) {
      if (load<uint64_t>(bytes.data() + looked + 24) != at + looked || at + looked == position) continue;
      uint64_t found = at + looked;
      gap.is_zero = gap.is_zero && is_zero(bytes.substr(0, looked));
      if (TRY(head_at(found))) {
        gap.end = at_ = found;
        return gap;
      }
      bytes = TRY(view(at, kWindowBytes));  // head_at() may have moved the window
    }
    bool is_last = bytes.size() < kWindowBytes;
    gap.is_zero = gap.is_zero && is_zero(is_last ? bytes : bytes.substr(0, looked));
    if (is_last) break;
    at += looked;
  }
  at_ = end();
  return gap;
}

}  // namespace mcloud::kv
