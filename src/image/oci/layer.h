// Inside this room: one layer, from its stored bytes to files.
#pragma once

#include <optional>

#include "image/unpacked/tree_writer.h"

namespace mcloud::image {

struct StoredLayer {
  std::optional<Digest> stored_digest;  // of the bytes as stored, when the format names it
  uint64_t stored_bytes = 0;
  Digest content_digest;                // of the tar stream inside
};

// Reads `stored` to its end. Corrupt naming the digest when the bytes do not match: whatever went wrong
// because of wrong bytes is reported as that. The caller throws the tree away on any error.
Status unpack_layer(Stream& stored, const StoredLayer& layer, const UnpackLimits& limits, TreeWriter& tree);

}  // namespace mcloud::image
