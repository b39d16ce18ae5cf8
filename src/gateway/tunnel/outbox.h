// Bytes that wait for their way out. Unlike a string it gives space that nobody has filled with zeros first.
#pragma once

#include <cstring>
#include <memory>

#include "base/bytes.h"

namespace mcloud::gateway {

class Outbox {
 public:
  // `size` bytes behind the end, which take() makes part of it. Valid until the next call.
  char* space(size_t size) {
    if (size_ + size > capacity_) {
      size_t capacity = std::max(size_ + size, capacity_ * 2);
      auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
      if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
      bytes_ = std::move(bytes);
      capacity_ = capacity;
    }
    return bytes_.get() + size_;
  }
  void take(size_t size) { size_ += size; }
  void append(BytesView bytes) {
    if (bytes.empty()) return;
    std::memcpy(space(bytes.size()), bytes.data(), bytes.size());
    take(bytes.size());
  }

  BytesView view() const { return {bytes_.get(), size_}; }
  size_t size() const { return size_; }
  void clear() {
    size_ = 0;
    if (capacity_ > kKeptBytes) {
      bytes_.reset();
      capacity_ = 0;
    }
  }

 private:
  static constexpr size_t kKeptBytes = 512 << 10;
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace mcloud::gateway
