// Buffers that large values have needed, for the next large ones: memory that goes back to the kernel is cleared and
// mapped anew when it is needed again, which costs more than sending what is in it. Bounded. Of one thread.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace mcloud::kv {

class SpareBuffers {
 public:
  static constexpr size_t kBytesMax = 16 << 20;  // of all together

  // Leaves `buffer` empty and without memory; what was in it is gone. Keeps its memory if there is room.
  void give(Bytes& buffer);
  // Makes room for `bytes` in `buffer`, whose content moves along.
  void grow(Bytes& buffer, size_t bytes);
  void clear();
  size_t bytes() const { return bytes_; }

 private:
  std::vector<Bytes> buffers_;
  size_t bytes_ = 0;
};

}  // namespace mcloud::kv
