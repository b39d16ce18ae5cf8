// For this room and room flist: a folder of blobs, each a file named by the hex of its sha256: "blobs/sha256" of an OCI
// layout, or what `skopeo copy ... dir:` writes.
#pragma once

#include "image/image.h"
#include "image/oci/manifest.h"
#include "image/oci/layer.h"
#include "image/unpacked/tree_writer.h"

namespace mcloud::image {

// A whole small blob, verified. NotFound when it is not there.
Result<Bytes> read_blob(const std::string& folder, const Digest& digest, std::string_view what);

// What a sink was given.
struct AppliedImage {
  Bytes config;                 // verified document
  Digest manifest;              // of the manifest (also when an index was asked for); of an archive: of its config
  std::vector<Digest> layers;   // as stored; of their content where the format names nothing else; lowest first
};

// The layers of a manifest, or of this machine's manifest in an index, to `sink`.
Result<AppliedImage> apply_blobs(const std::string& folder, const Digest& digest, const UnpackLimits& limits,
                                 EntrySink& sink, ReadAhead ahead = ReadAhead::No);

struct UnpackedTree {
  Bytes config;  // verified document
  uint64_t bytes = 0;
};

// The same into the empty folder `root`.
Result<UnpackedTree> unpack_blobs(const std::string& folder, const Digest& digest, const UnpackLimits& limits,
                                  const std::string& root);

// The digest that an OCI layout's index names for a tag ("" = its only image).
Result<Digest> resolve_layout(const std::string& layout, const std::string& tag);

// Refuses an image for another system or processor. Unsupported.
Status check_platform(const ConfigDocument& config);
// One warning for all devices that were left out.
void warn_of_devices(const TreeWriter& tree, const Digest& digest);

}  // namespace mcloud::image
