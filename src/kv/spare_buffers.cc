#include "kv/spare_buffers.h"

#include <algorithm>
#include <utility>

namespace mcloud::kv {

void SpareBuffers::give(Bytes& buffer) {
  Bytes spare;
  spare.swap(buffer);
  if (bytes_ + spare.capacity() > kBytesMax) return;
  spare.clear();
  bytes_ += spare.capacity();
  buffers_.push_back(std::move(spare));
}

void SpareBuffers::grow(Bytes& buffer, size_t bytes) {
  if (buffer.capacity() >= bytes) return;
  // The smallest that is large enough.
  auto best = buffers_.end();
  for (auto at = buffers_.begin(); at != buffers_.end(); ++at) {
    if (at->capacity() >= bytes && (best == buffers_.end() || at->capacity() < best->capacity())) best = at;
  }
  if (best == buffers_.end()) return buffer.reserve(bytes);
  bytes_ -= best->capacity();
  best->append(buffer);
  buffer.swap(*best);
  buffers_.erase(best);
}

void SpareBuffers::clear() {
  buffers_.clear();
  buffers_.shrink_to_fit();
  bytes_ = 0;
}

}  // namespace mcloud::kv
