// Walks over records in their order and finds its way behind what is not one. Pure: bytes come from a function.
#pragma once

#include <functional>

#include "kv/log/record.h"

namespace mcloud::kv {

class RecordReader {
 public:
  // Fills `to` from `offset` of the stretch; fewer bytes only at its end.
  using Source = std::function<Result<size_t>(uint64_t offset, char* to, size_t size)>;

  // The stretch begins at position `begin` and has `size` bytes; the first record is looked for at `from`.
  RecordReader(Source source, uint64_t begin, uint64_t size, uint32_t salt, uint64_t from);

  struct Item {
    enum class Kind { Record, Gap, End };
    Kind kind = Kind::End;
    uint64_t begin = 0;
    uint64_t end = 0;
    bool is_zero = false;          // Gap: nothing was ever written there
    std::optional<Header> header;  // Record; Gap: the record's head is sound, its value is not
    BytesView key;                 // of a sound head; until the next call
    BytesView value;
  };
  // A Gap reaches to the next sound record or to the end of the stretch. Errors are the source's.
  Result<Item> next();

 private:
  uint64_t end() const { return begin_ + size_; }
  // At least min(`size`, what is left) bytes at `position`, in memory until the next call.
  Result<BytesView> view(uint64_t position, uint64_t size);
  Result<std::optional<Header>> head_at(uint64_t position);
  Result<Item> gap_from(uint64_t position);

  Source source_;
  uint64_t begin_;
  uint64_t size_;
  uint32_t salt_;
  uint64_t at_;
  Bytes buffer_;
  uint64_t buffer_begin_ = 0;
};

}  // namespace mcloud::kv
