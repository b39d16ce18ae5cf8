// Where the entries of image layers go: a folder on disk (unpacked/tree_writer.h), or a tree in memory (flist).
#pragma once

#include "image/oci/tar_reader.h"

namespace mcloud::image {

// Not thread-safe. Layers come from the lowest to the highest: begin, each entry, end. After an error nothing more
// is given to it, and its owner throws away what it made.
class EntrySink {
 public:
  virtual ~EntrySink() = default;
  virtual void begin_layer() = 0;
  // Takes what it needs of the entry's content from `reader`. Corrupt, Exhausted or Unsupported name the path.
  virtual Status add(const TarEntry& entry, TarReader& reader) = 0;
  virtual Status end_layer() = 0;
};

}  // namespace mcloud::image
