// Inside this room: a layer on its way to disk: hashed, compressed, hashed again.
#pragma once

#include <memory>

#include "flist/convert.h"

namespace mcloud::flist {

struct WrittenLayer {
  image::Digest content;  // of the tar
  image::Digest stored;
  uint64_t stored_bytes = 0;
};

// Not thread-safe. The same bytes give the same file: no time, no name in it.
class LayerFile {
 public:
  static Result<std::unique_ptr<LayerFile>> create(const std::string& path, LayerCompression compression);
  virtual ~LayerFile() = default;
  virtual Status write(BytesView bytes) = 0;
  // Durable. Once.
  virtual Result<WrittenLayer> finish() = 0;
};

}  // namespace mcloud::flist
