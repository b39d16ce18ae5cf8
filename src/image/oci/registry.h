// For this room and room flist: registries, through the program skopeo. What it brings is verified like any other blob.
#pragma once

#include <string>

#include "image/digest.h"

namespace mcloud::image {

struct Registry {
  std::string program = "skopeo";
  uint64_t timeout_ms = 60'000;
};

// The raw manifest or index that "host/name" has for a tag ("" = "latest") or a digest ("sha256:...").
// Unavailable when the registry does not answer.
Result<Bytes> fetch_manifest(const Registry& registry, const std::string& name, const std::string& tag_or_digest);

// Blobs of the image with this digest into a new folder, for unpack_blobs().
Status fetch_blobs(const Registry& registry, const std::string& name, const Digest& digest, const std::string& folder);

}  // namespace mcloud::image
