// One layer, from its stored bytes to entries that a sink takes. For this room and room flist.
#pragma once

#include <optional>

#include "image/limits.h"
#include "image/oci/entry_sink.h"

namespace mcloud::image {

struct StoredLayer {
  std::optional<Digest> stored_digest;  // of the bytes as stored, when the format names it
  uint64_t stored_bytes = 0;
  Digest content_digest;                // of the tar stream inside
};

// Reads `stored` to its end. Corrupt naming the digest when the bytes do not match: whatever went wrong
// because of wrong bytes is reported as that. The caller throws the tree away on any error.
// With ReadAhead::Yes a second thread reads, decompresses and hashes while `sink` works; it has ended on return.
enum class ReadAhead { No, Yes };
Status unpack_layer(Stream& stored, const StoredLayer& layer, const UnpackLimits& limits, EntrySink& sink,
                    ReadAhead ahead = ReadAhead::No);

// A tar stream that nobody named by a digest (a builder's own): the same without the checks. `what` is for messages.
Status unpack_tar(Stream& stored, const UnpackLimits& limits, EntrySink& sink, std::string_view what);

}  // namespace mcloud::image
