// Images unpacked as a whole:
//   FOLDER/<hex>/root         the tree
//   FOLDER/<hex>/config.json  the image's config document
//   FOLDER/<hex>/bytes        decimal number
//   FOLDER/<hex>/boot         the boot of the machine in which it was made
//   FOLDER/<hex>/durable      empty; all of the above is on disk
//   FOLDER/locks/<hex>        held while <hex> is made or removed
//   FOLDER/.new-<hex>         unfinished; becomes <hex> by one rename
// A process that dies leaves what it wrote to the page cache, so the rename alone makes an image whole for as
// long as the machine runs. After another boot only durable ones are believed. (Waiting for the disk in
// prepare() took 3 s of 4 on a busy machine, at the moment when a workload moves to a new node.)
#pragma once

#include "image/oci/blobs.h"
#include "image/image.h"
#include "image/oci/registry.h"

namespace mcloud::image {

class UnpackedImages final : public Images {
 public:
  explicit UnpackedImages(const UnpackOptions& options, UnpackLimits limits = {})
      : options_(options), limits_(limits) {}

  // Makes the folder and sweeps what crashes left.
  Status open();

  Result<PreparedImage> prepare(const ImageWanted& wanted) override;
  Result<PreparedImage> find(const std::string& digest) override;
  Result<std::vector<std::string>> list() override;
  Status remove(const std::string& digest) override;
  Status make_durable() override;

 private:
  std::string finished(const Digest& digest) const { return options_.folder + "/" + digest.hex(); }
  std::string unfinished(const Digest& digest) const { return options_.folder + "/.new-" + digest.hex(); }
  Result<io::Fd> lock(const Digest& digest) const;
  Result<UnpackedTree> unpack(const std::string& source, const Digest& digest, const std::string& folder) const;
  Status finish(const Digest& digest, const UnpackedTree& tree) const;
  bool is_whole(const std::string& folder) const;

  UnpackOptions options_;
  UnpackLimits limits_;
  Bytes boot_;
};

}  // namespace mcloud::image
