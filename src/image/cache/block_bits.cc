#include "image/cache/block_bits.h"

namespace mcloud::image {

Bytes BlockBits::bytes() const {
  Bytes out((blocks_ + 7) / 8, '\0');
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<char>(words_[i / 8].load(std::memory_order_acquire) >> (i % 8 * 8));
  }
  return out;
}

bool BlockBits::add(BytesView bytes) {
  if (bytes.size() != (blocks_ + 7) / 8) return false;
  if (blocks_ % 8 != 0 && static_cast<uint8_t>(bytes.back()) >> (blocks_ % 8) != 0) return false;
  for (uint32_t block = 0; block < blocks_; ++block) {
    if (static_cast<uint8_t>(bytes[block / 8]) >> (block % 8) & 1) set(block);
  }
  return true;
}

}  // namespace mcloud::image
