// For this room and room flist: what `docker save` writes, a tar file with manifest.json, configs and layers. Images are
// named by the sha256 of their config.
#pragma once

#include <map>

#include "image/oci/blobs.h"

namespace mcloud::image {

class DockerArchive {
 public:
  // Reads the names of its members. The file may be compressed.
  static Result<DockerArchive> open(const std::string& file);

  // By reference ("name:tag"; "" = the only image).
  Result<Digest> resolve(const std::string& reference) const;
  Result<AppliedImage> apply(const Digest& digest, const UnpackLimits& limits, EntrySink& sink,
                             ReadAhead ahead = ReadAhead::No) const;
  Result<UnpackedTree> unpack(const Digest& digest, const UnpackLimits& limits, const std::string& root) const;

 private:
  struct Member {
    uint64_t bytes = 0;
    std::string link_target;  // another member, for layers that were saved once
  };

  Result<Bytes> read(const std::string& member) const;
  Result<std::unique_ptr<Stream>> open_member(const std::string& member) const;
  Result<std::pair<std::string, Member>> find(const std::string& member) const;
  Result<std::vector<ArchiveImage>> images() const;

  std::string file_;
  std::map<std::string, Member> members_;
};

}  // namespace mcloud::image
